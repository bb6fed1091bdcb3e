"""Under which names the page answers."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from repwatch.model.settings import PageSpec
from repwatch.model.view import Health
from repwatch.web import server as web

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@contextmanager
def listening(host: str, names: tuple[str, ...], public: str = "") -> Iterator[int]:
    server = web.start(PageSpec(host, 0, names, public), view=lambda: None, health=lambda: Health(started=NOW, last_tick=NOW))
    try:
        yield urlsplit(server.url).port or 0
    finally:
        server.stop()


def asked_as(port: int, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "local", "named", "everywhere"),
    [
        ("127.0.0.1:1", 200, 200, 200),
        ("[::1]:1", 200, 200, 200),
        ("10.0.0.7", 200, 200, 200),
        ("LocalHost:8080", 200, 200, 200),
        ("watch.example.com", 421, 200, 200),
        ("Watch.Example.com:443", 421, 200, 200),
        ("evil.example.com", 421, 421, 200),
        ("watch.example.com.evil.example.com", 421, 421, 200),
        ("127.0.0.1.evil.example.com", 421, 421, 200),
    ],
)
def test_a_page_for_this_machine_goes_by_known_names_alone(host: str, local: int, named: int, everywhere: int) -> None:
    """Nobody can move an address to another machine, but a name can be."""
    for address, names, expected in (
        ("127.0.0.1", (), local),
        ("127.0.0.1", ("watch.example.com",), named),
        ("0.0.0.0", (), everywhere),
        ("0.0.0.0", ("watch.example.com",), named),
    ):
        with listening(address, names) as port:
            assert asked_as(port, host) == expected


@pytest.mark.parametrize(
    ("host", "names", "other"), [("127.0.0.1", (), 421), ("0.0.0.0", (), 200), ("0.0.0.0", ("a.example.com",), 421)]
)
def test_the_name_that_links_lead_to_is_known_and_closes_nothing(host: str, names: tuple[str, ...], other: int) -> None:
    with listening(host, names, "watch.example.com") as port:
        assert asked_as(port, "watch.example.com") == 200
        assert asked_as(port, "other.example.com") == other

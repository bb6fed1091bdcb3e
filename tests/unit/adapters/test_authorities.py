"""Receivers are reached by TLS that is verified, and the authorities are not read anew for each message."""

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from repwatch.adapters.authorities import Authorities
from repwatch.adapters.notifiers import build
from repwatch.model.settings import Receiver, SlackReceiver, WebhookReceiver
from repwatch.ports.notifier import DeliveryOutcome
from repwatch.sandbox.standins_slack import SlackStandIn
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.unit.adapters.benches import SECONDS, SECRETS, TOKEN, notice
from tests.unit.adapters.tls import self_made, tls

StandIn = WebhookCatcher | SlackStandIn


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_made(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes whenever anybody reads the authorities."""
    noted: list[str] = []
    read = ssl.SSLContext.load_default_certs

    def load_default_certs(context: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        noted.append(purpose.shortname)
        read(context, purpose)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load_default_certs)
    return noted


def receiver(server: StandIn) -> Receiver:
    if isinstance(server, WebhookCatcher):
        return Receiver(name="oncall", channel=WebhookReceiver(url=server.url))
    return Receiver(name="oncall", channel=SlackReceiver(channel="#db-alerts", token=TOKEN, api_url=server.api_url))


@pytest.mark.parametrize(
    "make",
    [lambda context: WebhookCatcher(tls=context), lambda context: SlackStandIn(token=SECRETS[0], tls=context)],
    ids=["webhook", "slack"],
)
def test_only_who_is_trusted_is_told_and_authorities_are_read_once(
    make: Callable[[ssl.SSLContext], AbstractContextManager[StandIn]],
    certificate: Path,
    reads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with make(tls(certificate)) as server:
        notifier = build(receiver(server), seconds=SECONDS)
        delivery = notifier.send(notice(), {})
        assert delivery.outcome is DeliveryOutcome.RETRY
        assert "certificate" in delivery.text
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
        reads.clear()
        for number in range(1, 4):
            assert notifier.send(notice(number=number), {}).outcome is DeliveryOutcome.DELIVERED
        assert len(server.posts) == 3
        assert len(reads) == 1


def test_they_are_read_again_where_they_have_changed(monkeypatch: pytest.MonkeyPatch, certificate: Path, tmp_path: Path) -> None:
    authorities = Authorities()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    first = authorities.context()
    assert authorities.context() is first
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    bundle.write_bytes(certificate.with_suffix(".crt").read_bytes())
    second = authorities.context()
    assert second is not first
    assert authorities.context() is second
    bundle.rename(tmp_path / "old.pem")
    bundle.write_bytes(2 * certificate.with_suffix(".crt").read_bytes())
    assert authorities.context() is not second


def test_a_reading_that_found_none_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As where the machine had no more files to open."""
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    authorities = Authorities()
    assert authorities.context() is not authorities.context()

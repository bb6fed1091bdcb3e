"""Relay logs that are lost where a channel uses no GTIDs: the command of the remedy brings everything back, and nothing twice."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from repwatch.errors import RepwatchError, StatementRefused
from repwatch.health.rules import diagnose
from repwatch.model.finding import Finding, FindingCode
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.diagnosing import locally, watching, words
from tests.server.without_gtids import pair_by_place


@pytest.fixture
def pair(flavour: Flavour) -> Iterator[Sandbox]:
    with pair_by_place(flavour) as box:
        yield box


def test_what_is_lost_is_fetched_again_from_what_is_applied(pair: Sandbox) -> None:
    table = with_a_row(pair)
    lose_relay_log(pair, table)
    pair.replicas[0].sql(f"START {words(pair.flavour)} SQL_THREAD")
    comes_back_as_told(pair, table)


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True)  # MariaDB shows no error of what it cannot open
def test_a_channel_that_cannot_be_opened_is_reset_and_put_back_to_its_place(pair: Sandbox) -> None:
    replica, table = pair.replicas[0], with_a_row(pair)
    lose_relay_log(pair, table)
    replica.stop()
    replica.use("--relay-log=other")  # as with the default, of which the host's name is a part
    replica.start()
    with pytest.raises(StatementRefused):
        replica.sql("START REPLICA")
    comes_back_as_told(pair, table)


def with_a_row(pair: Sandbox) -> str:
    """A table that both have."""
    table = f"s_{secrets.token_hex(3)}.log"
    pair.source.sql(f"CREATE DATABASE {table.partition('.')[0]}", f"CREATE TABLE {table} (id INT PRIMARY KEY)")
    pair.source.sql(f"INSERT INTO {table} VALUES (1)")
    until(lambda: rows(pair.replicas[0], table) == 1)
    return table


def comes_back_as_told(pair: Sandbox, table: str) -> None:
    """What was lost is there, and what comes next."""
    pair.replicas[0].sql(*told(pair).remedy.split("`")[1].split("; "))
    pair.source.sql(f"INSERT INTO {table} VALUES (3)")
    until(lambda: rows(pair.replicas[0], table) == 3)
    pair.wait_connected()


def lose_relay_log(pair: Sandbox, table: str) -> None:
    """The one with a row that the applier has not read."""
    replica, word = pair.replicas[0], words(pair.flavour)
    replica.sql(f"STOP {word} SQL_THREAD")
    file, name = relay_log(replica), table.partition(".")[0].encode()
    before = file.stat().st_size
    pair.source.sql(f"INSERT INTO {table} VALUES (2)")
    until(lambda: name in file.read_bytes()[before:])
    locally(replica, "FLUSH LOCAL RELAY LOGS")
    until(lambda: relay_log(replica) != file)
    file.unlink()


def told(pair: Sandbox) -> Finding:
    """The finding about the applier, as soon as it is there."""
    found: list[Finding] = []

    def is_told() -> bool:
        found[:] = [each for each in diagnose(watcher.look()) if each.subject.code is FindingCode.APPLIER_ERROR]
        return bool(found)

    with watching(pair) as watcher:
        until(is_told)
    return found[0]


def relay_log(replica: SandboxServer) -> Path:
    return max((replica.folder / "data").glob("relay.[0-9]*"))


def rows(server: SandboxServer, table: str) -> int:
    """How many there are; none where there is no table yet."""
    with suppress(RepwatchError):
        return int(str(server.sql(f"SELECT COUNT(*) FROM {table}")[0][0]))
    return 0


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)

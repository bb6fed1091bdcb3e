"""`repwatch run` with source = "auto" follows a switch-over, announces it, seen or missed, and finds nothing else wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.diagnosing import words
from tests.server.test_watch_suspect import LONG, found
from tests.server.watching import Service, told, until


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    """A receiver."""
    with WebhookCatcher() as catcher:
        yield catcher


@pytest.fixture
def service(fresh_star: Sandbox, tmp_path: Path, hook: WebhookCatcher) -> Iterator[Service]:
    """A service that finds out which server is the source."""
    running = Service(fresh_star, tmp_path, hook)
    text = running.config.read_text(encoding="utf-8")
    running.config.write_text(text.replace('source = "source"', 'source = "auto"', 1), encoding="utf-8")
    running.start()
    until(running.healthy, "everything is healthy", LONG)
    yield running
    running.close()


def follow(box: Sandbox, replica: SandboxServer, source: SandboxServer) -> None:
    """Point a server to another source, by GTID."""
    replica.sql(f"STOP {words(box.flavour)}")
    login = (Account.REPLICATION.value, box.credentials.secret(Account.REPLICATION))
    replica.sql(*sandbox_statements.attach(box.flavour, "", source.address, *login))


def switch_over(box: Sandbox, old: SandboxServer, new: SandboxServer, other: SandboxServer) -> None:
    """As a person does it. The old source takes no writes any more, and the new one has all that it has."""
    new.sql(f"STOP {words(box.flavour)}", f"RESET {words(box.flavour)} ALL", "SET GLOBAL read_only = OFF")
    if box.flavour is Flavour.MARIADB:
        old.sql("SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos")
    follow(box, old, new)
    follow(box, other, new)


def changes(hook: WebhookCatcher) -> list[tuple[str, str]]:
    """What was told of changes of the source: (event, name of the new one)."""
    return [(event, name) for event, code, name in told(hook) if code == "source-changed"]


def test_a_switch_over_is_followed_and_announced(fresh_star: Sandbox, service: Service, hook: WebhookCatcher) -> None:
    box, old, (new, other) = fresh_star, fresh_star.source, fresh_star.replicas
    assert 'source = "auto"' in service.config.read_text(encoding="utf-8")
    new.sql("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    old.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)", "SET GLOBAL read_only = ON")
    box.wait_caught_up(60)
    switch_over(box, old, new, other)
    new.sql("INSERT INTO w.t VALUES (1)")
    until(lambda: ("replica1", "source-changed") in found(service), "the change is announced", LONG)
    until(lambda: found(service) <= {("replica1", "source-changed")}, "and nothing else is left", LONG)
    until(lambda: old.sql("SELECT id FROM w.t") == [("1",)], "the old source follows the new one", LONG)
    until(lambda: changes(hook) == [("opened", "replica1")], "it is told", LONG)
    service.kill()
    new.sql("INSERT INTO w.t VALUES (2)", "SET GLOBAL read_only = ON")
    until(lambda: all(len(each.sql("SELECT id FROM w.t")) == 2 for each in (old, other)), "all have all", LONG)
    switch_over(box, new, old, other)
    for _ in range(2):
        service.start()
        until(lambda: ("opened", "source") in changes(hook), "the change that nobody saw is told", LONG)
        until(lambda: found(service) <= {("source", "source-changed")}, "and nothing else is left", LONG)
        service.kill()
    assert [name for event, name in changes(hook) if event == "opened"] == ["replica1", "source"]

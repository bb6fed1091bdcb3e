"""Semi-synchronous replication: the replica that should acknowledge does not, and its source suffers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Thread

from repwatch.errors import LoginRefused
from repwatch.sandbox import Account
from tests.server.scenarios.patrol import LONG, Patrol
from tests.server.scenarios.stage import Claims, Scenario, Stage, places


@contextmanager
def acknowledging(stage: Stage, timeout_ms: int = 50) -> Iterator[None]:
    """Semi-synchronous replication with one replica that takes part. Its source notices at a heartbeat that it is gone."""
    names = ("master", "slave") if stage.is_mariadb else ("source", "replica")
    if not stage.is_mariadb and not stage.source.sql("SHOW VARIABLES LIKE 'rpl_semi_sync_source_enabled'"):
        stage.source.sql("SET SESSION sql_log_bin = 0", "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
        stage.on_replica("INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'")
    stage.replica.sql(f"SET GLOBAL rpl_semi_sync_{names[1]}_enabled = 1")
    stage.change("HEARTBEAT_PERIOD = 1")
    stage.source.sql(
        f"SET GLOBAL rpl_semi_sync_{names[0]}_timeout = {timeout_ms}", f"SET GLOBAL rpl_semi_sync_{names[0]}_enabled = 1"
    )
    until_it_takes_part(stage)
    yield
    stage.source.sql(f"SET GLOBAL rpl_semi_sync_{names[0]}_enabled = 0")
    stage.replica.sql(f"SET GLOBAL rpl_semi_sync_{names[1]}_enabled = 0")
    stage.go_on()


def until_it_takes_part(stage: Stage) -> None:
    word = "master" if stage.is_mariadb else "source"
    clients = f"SHOW STATUS LIKE 'rpl_semi_sync_{word}_clients'"
    stage.until("the replica takes part", lambda: stage.source.sql(clients)[0][1] == "1")


@contextmanager
def nobody_acknowledges(stage: Stage) -> Iterator[None]:
    stage.control("STOP", "IO_THREAD")
    yield
    stage.go_on()
    until_it_takes_part(stage)


waiting_for_it = partial(acknowledging, timeout_ms=3_600_000)


@contextmanager
def commit_waits(stage: Stage) -> Iterator[None]:
    """A session commits, and nobody acknowledges; it is done when the replica is back."""
    with nobody_acknowledges(stage):
        commit = begin_to_commit(stage)
        yield
    end(commit)


@contextmanager
def commit_waits_for_a_frozen_one(stage: Stage) -> Iterator[None]:
    """The source goes on counting it among those who acknowledge."""
    stage.replica.freeze()
    try:
        commit = begin_to_commit(stage)
        yield
    finally:
        stage.replica.thaw()
    end(commit)
    stage.go_on()
    until_it_takes_part(stage)


def begin_to_commit(stage: Stage) -> Thread:
    """A write of a session of its own, which waits when this returns."""
    commit = Thread(target=stage.write, args=(f"INSERT INTO {stage.table} VALUES (2, 'N')",), daemon=True)
    commit.start()
    word = "master" if stage.is_mariadb else "source"
    sessions = f"SHOW STATUS LIKE 'rpl_semi_sync_{word}_wait_sessions'"
    stage.until("a commit waits", lambda: stage.source.sql(sessions)[0][1] == "1")
    return commit


def end(commit: Thread) -> None:
    commit.join(90)
    assert not commit.is_alive(), "it still waits for an acknowledgement"


def source_is_a_symptom(code: str, told_by: str) -> Claims:
    """The finding of the replica says what comes of it for the source."""

    def claims(stage: Stage, watch: Patrol) -> None:
        blocks = watch.finding("replica1", told_by).evidence.get("blocks")
        assert blocks == ("source" if code == "commits-blocked" else None)

    return claims


def so_are_used_up_connections(stage: Stage, watch: Patrol) -> None:
    """Those who wait hold them all, as it were: repwatch is not let in any more, and that is no news either."""
    source_is_a_symptom("commits-blocked", "receiver-stopped")(stage, watch)
    taken = int(stage.source.sql("SHOW STATUS LIKE 'Threads_connected'")[0][1] or 0)
    with ExitStack() as held:
        root = held.enter_context(stage.source.connect())
        root.query(f"SET GLOBAL max_connections = {max(10, taken)}")
        deadline = time.monotonic() + LONG
        while ("source", "login-refused") not in watch.opened():
            assert time.monotonic() < deadline, watch.summaries()
            with suppress(LoginRefused):  # there is no room left
                while True:
                    held.enter_context(stage.source.connect(Account.REPLICATION))
            for (connection,) in root.query(f"SELECT ID FROM information_schema.processlist WHERE USER = '{Account.WATCH}'").rows:
                root.query(f"KILL {(connection or b'').decode()}")
            with suppress(LoginRefused):
                held.enter_context(stage.source.connect(Account.REPLICATION))
            watch.tick()
        assert ("source", "login-refused") not in watch.told()
        root.query("SET GLOBAL max_connections = 120")


SEMISYNC = (
    Scenario(
        name="semisync-without-replicas",
        what="the only replica that acknowledges is gone",
        breaks=nobody_acknowledges,
        prepare=acknowledging,
        told=places(("replica1", "receiver-stopped")),
        brings=frozenset({("source", "semisync-degraded")}),
        claims=source_is_a_symptom("semisync-degraded", "receiver-stopped"),
    ),
    Scenario(
        name="commits-wait-for-a-stopped-replica",
        what="the source commits nothing, because the only replica that acknowledges is gone",
        breaks=commit_waits,
        prepare=waiting_for_it,
        told=places(("replica1", "receiver-stopped")),
        brings=frozenset({("source", "commits-blocked")}),
        follows=frozenset({("source", "semisync-degraded"), ("source", "login-refused")}),
        claims=so_are_used_up_connections,
    ),
    Scenario(
        name="commits-wait-for-a-frozen-replica",
        what="the source commits nothing, because the only replica that acknowledges is frozen",
        breaks=commit_waits_for_a_frozen_one,
        prepare=waiting_for_it,
        told=places(("replica1", "server-unreachable")),
        brings=frozenset({("source", "commits-blocked")}),
        follows=frozenset({("source", "semisync-degraded")}),
        claims=source_is_a_symptom("commits-blocked", "server-unreachable"),
        silent=frozenset({"replica1"}),
        looks=2,
    ),
)

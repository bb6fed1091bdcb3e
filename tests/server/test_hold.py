"""The hold on real servers: nothing moves while it holds, `run_until` stops at the very position, all comes back."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused
from repwatch.flows.hold import (
    AlreadyPast,
    ApplierFailed,
    Held,
    PositionNotReached,
    channel_state,
    hold,
    look,
    release,
    run_until,
)
from repwatch.model.gtid import canonical, reached
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql import replication

CLOCK = SystemClock()


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    with server.connect(Account.ROOT) as db, suppress(Refused):
        release(db, "", Held(delay=0, receiver=True, applier=True))
    star.wait_connected(60)
    star.wait_caught_up(60)


def position(server: SandboxServer) -> str:
    with server.connect(Account.ROOT) as db:
        return db.scalar(replication.written(db.version)) or ""


def table(star: Sandbox, schema: str, rows: int) -> str:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    insert(star, schema, rows)
    star.wait_caught_up(60)
    return f"SELECT COUNT(*) FROM {schema}.t"


def insert(star: Sandbox, schema: str, rows: int) -> None:
    star.source.sql(*[f"INSERT INTO {schema}.t (v) VALUES (1)"] * rows)


def test_a_held_replica_applies_exactly_up_to_the_position(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    count = table(star, schema, 2)
    with replica.connect(Account.OPERATOR) as db:
        before = look(db, "")
        held = hold(db, "")
        assert held == before == Held(delay=0, receiver=True, applier=True)
        insert(star, schema, 3)
        there = position(star.source)
        insert(star, schema, 4)
        assert db.scalar(count) == "2"
        run_until(db, "", there, CLOCK, 60)
        assert db.scalar(count) == "5"
        run_until(db, "", there, CLOCK, 60)  # already there
        assert db.scalar(count) == "5"
        state = channel_state(db, "")
        assert state.held
        assert state.receiver_running
        assert not state.applier_running
        run_until(db, "", position(star.source), CLOCK, 60)
        with pytest.raises(AlreadyPast):
            run_until(db, "", there, CLOCK, 60)
        assert db.scalar(count) == "9"
        release(db, "", held)
        insert(star, schema, 1)
        star.wait_caught_up(60)
        assert db.scalar(count) == "10"
        assert look(db, "") == before


def test_a_hold_outlives_a_restart_that_starts_the_applier(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    count = table(star, schema, 1)
    with replica.connect(Account.OPERATOR) as db:
        held = hold(db, "")
    insert(star, schema, 3)
    replica.stop()
    replica.start()
    with replica.connect(Account.OPERATOR) as db:
        wait_received(db, position(star.source))
        assert channel_state(db, "").applier_running  # the server started it by itself
        assert db.scalar(count) == "1"
        run_until(db, "", position(star.source), CLOCK, 60)
        assert db.scalar(count) == "4"
        release(db, "", Held.from_entry(held.entry()))
        assert channel_state(db, "").delay == 0


def wait_received(db: Session, there: str) -> None:
    """Wait until the receiver has everything, so that an applier that is not held would have something to apply."""
    deadline = CLOCK.monotonic() + 60
    while not reached(db.version.flavour, has(db), there):
        assert CLOCK.monotonic() < deadline
        CLOCK.sleep(0.1)
    CLOCK.sleep(1)  # time for an applier that is not held


def has(db: Session) -> str:
    """What a server has applied or received: received is shown of what came since its start alone (MySQL)."""
    return f"{db.scalar(replication.executed(db.version))},{channel_state(db, '').received}"


def test_an_intended_delay_and_stopped_threads_come_back(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    table(star, schema, 1)
    with replica.connect(Account.OPERATOR) as db:
        db.execute(replication.stop_channel(db.version, ""))
        db.execute(replication.set_delay(db.version, "", 7))
        db.execute(replication.start_receiver(db.version, ""))
        held = hold(db, "")
        assert held == Held(delay=7, receiver=True, applier=False)
        release(db, "", held)
        release(db, "", held)
        assert look(db, "") == held


def test_somebody_elses_hold_is_respected_and_ones_own_taken_up(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    table(star, schema, 1)
    with replica.connect(Account.OPERATOR) as db:
        held = hold(db, "")
        with pytest.raises(Refused):
            hold(db, "")
        assert hold(db, "", held) == held
        release(db, "", held)


def test_an_applier_that_fails_on_the_way_is_told_and_held(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    table(star, schema, 1)
    with replica.connect(Account.ROOT) as db:
        held = hold(db, "")
        db.execute("SET SESSION sql_log_bin = 0")
        db.execute(f"INSERT INTO {schema}.t VALUES (2, 99)")
        insert(star, schema, 1)
        with pytest.raises(ApplierFailed) as failure:
            run_until(db, "", position(star.source), CLOCK, 60)
        assert failure.value.errno == 1062
        assert channel_state(db, "").held
        db.execute(f"DELETE FROM {schema}.t WHERE id = 2")
        release(db, "", held)
    star.wait_caught_up(60)


def test_a_position_that_does_not_come_ends_at_the_deadline(
    star: Sandbox, schema: str, replica: SandboxServer, flavour: Flavour
) -> None:
    count = table(star, schema, 1)
    with replica.connect(Account.OPERATOR) as db:
        held = hold(db, "")
        # In a set of several servers the source's own part may stand anywhere.
        ((never,),) = star.source.sql(
            "SELECT CONCAT(@@gtid_domain_id, '-', @@server_id, '-999999999')"
            if flavour is Flavour.MARIADB
            else "SELECT CONCAT(@@server_uuid, ':999999999')"
        )
        with pytest.raises(PositionNotReached):
            run_until(db, "", canonical(flavour, f"{position(star.source)},{never}"), CLOCK, 1)
        assert channel_state(db, "").held
        insert(star, schema, 1)
        assert db.scalar(count) == "1"
        release(db, "", held)


def test_a_channel_that_is_not_there_is_refused(star: Sandbox) -> None:
    with star.replicas[0].connect(Account.OPERATOR) as db, pytest.raises(Refused):
        hold(db, "no such 'channel'")

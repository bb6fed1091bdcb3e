"""Row repair on real servers: wrong rows become the source's, exactly, and nothing else happens."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.drift.repair_stages import Phase, unfinished
from repwatch.drift.report import Verdict
from repwatch.errors import Refused
from repwatch.flows import reseed_attach
from repwatch.flows.hold import channel_state
from repwatch.flows.repair_run import carry_out
from repwatch.flows.repair_undo import carry_out_undo
from repwatch.model.endpoint import Endpoint
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.ports.database import Timeouts
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql import replication
from repwatch.sql.reseed import LOCK_NAME
from tests.server.filtering import filtering
from tests.server.repairing import by_hand, healthy, identical, let_replicate, plan, plan_undo, repair, request, tools, undo
from tests.server.reseeding import contents, delay_by, make_everything, writer

IS_LOCKED = f"SELECT IS_USED_LOCK('{LOCK_NAME}')"


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[1]
    yield server
    let_replicate(star, server)


def orders(star: Sandbox, schema: str, rows: int = 1000) -> str:
    table = f"{schema}.orders"
    star.source.sql(
        f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, status CHAR(1) NOT NULL, n INT NOT NULL DEFAULT 0, "
        "changed TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3))",
        f"INSERT INTO {table} (status) VALUES {', '.join(['(1)'] * rows)}",
    )
    star.wait_caught_up(60)
    return table


def test_drift_is_repaired_while_others_write(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """200 rows with another status, 3 that are gone, 2 too many; the source's rows change all the time, wrong ones too."""
    table = orders(star, schema)
    by_hand(
        replica,
        f"UPDATE {table} SET status = 'X' WHERE id BETWEEN 101 AND 300",
        f"DELETE FROM {table} WHERE id IN (7, 8, 900)",
        f"INSERT INTO {table} (id, status) VALUES (2000000, 'Z'), (-5, 'Z')",
    )
    with writer(
        star,
        f"INSERT INTO {table} (status) VALUES ('N')",
        f"UPDATE {table} SET n = n + 1 WHERE id = 550 + FLOOR(RAND() * 300)",
        f"DELETE FROM {table} WHERE id > 1000 ORDER BY id LIMIT 1",
    ):
        applied = repair(request(star, replica, f"{schema}.*"), tmp_path)
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, Verdict.IDENTICAL.value)
    identical(star, replica, schema)
    healthy(star, replica)


def test_nothing_is_done_where_nothing_is_wrong(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    orders(star, schema, 5)
    proposal = plan(request(star, replica, f"{schema}.*"), tmp_path)
    assert proposal.nothing_to_do
    assert proposal.plan.steps == ()
    assert list(tmp_path.iterdir()) == []


def test_what_the_replica_leaves_out_is_left_alone(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    table, log = orders(star, schema, 5), f"{schema}.log"
    star.source.sql(f"CREATE TABLE {log} (id INT PRIMARY KEY)", f"INSERT INTO {log} VALUES (1)")
    star.wait_caught_up(60)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 3", f"DELETE FROM {log}")
    with filtering(replica, "replicate_ignore_table", log):
        applied = repair(request(star, replica, f"{schema}.*"), tmp_path)
    assert (applied.outcome, replica.sql(f"SELECT * FROM {log}")) == (Outcome.DONE, [])
    assert replica.sql(f"SELECT status FROM {table} WHERE id = 3") == [("1",)]
    healthy(star, replica)


def test_looking_changes_nothing(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    table = orders(star, schema, 5)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 3")
    before = contents(replica, schema)
    proposal = plan(request(star, replica, f"{schema}.*"), tmp_path)
    assert any(step.what.startswith("update") for step in proposal.plan.steps)
    assert contents(replica, schema) == before
    healthy(star, replica)


WRONG_KINDS = (
    "UPDATE {s}.kinds SET f = 1.10001, d = 0, f2 = NULL, dec_ = dec_ + 0.0000000001, bits = b'1', flag = b'1'",
    "UPDATE {s}.kinds SET bin = 0x01, vb = NULL, blob_ = 0x00, txt = 'x', u = NULL, u2 = 'y', j = '[1]'",
    "UPDATE {s}.kinds SET e = 'x', s = 'x', g = NULL, dt = NULL, dtm = NULL, ts = NULL, tm = NULL, y = 2001, ub = 1",
)


@pytest.mark.parametrize("how", ["changed", "missing", "extra"])
def test_every_kind_of_value_arrives_as_it_is(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, how: str
) -> None:
    """Zero dates, -0, bits, spatial values, empty ENUMs, bytes of any character set, generated and hidden columns."""
    make_everything(star, schema)
    tables = [f"{schema}.kinds", f"{schema}.child", f"{schema}.odd*", *([f"{schema}.plain"] if is_mariadb(star) else [])]
    if how == "changed":
        odd = f"UPDATE {schema}.`odd ``name` SET v = 11, secret = 0"
        plain = [f"UPDATE {schema}.plain SET i = '::1', u = UUID()"] if is_mariadb(star) else []
        by_hand(replica, *(text.format(s=schema) for text in WRONG_KINDS), odd, *plain, f"UPDATE {schema}.child SET parent = 3")
    else:
        server = replica if how == "missing" else star.source
        delete = [f"DELETE FROM {name}" for name in (f"{schema}.kinds", f"{schema}.child", f"{schema}.`odd ``name`")]
        by_hand(server, *delete, *([f"DELETE FROM {schema}.plain"] if is_mariadb(star) else []))
    asked = request(star, replica, *tables)
    before = contents(replica, schema)
    applied = repair(asked, tmp_path)
    assert applied.outcome is Outcome.DONE, applied.text
    identical(star, replica, schema)
    assert undo(asked, tmp_path, applied.undo_file).outcome is Outcome.DONE
    assert contents(replica, schema) == before


def is_mariadb(star: Sandbox) -> bool:
    return star.flavour is Flavour.MARIADB


def test_unique_values_are_exchanged(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """A swap, a cycle, a value that an extra row holds; and the children of a row that is written anew stay."""
    star.source.sql(
        f"CREATE TABLE {schema}.p (id INT PRIMARY KEY, u VARCHAR(9) UNIQUE, w INT GENERATED ALWAYS AS (id * 2) STORED UNIQUE)",
        f"CREATE TABLE {schema}.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {schema}.p (id) ON DELETE CASCADE)",
        f"INSERT INTO {schema}.p (id, u) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, NULL), (6, 'e')",
        f"INSERT INTO {schema}.c VALUES (1, 1), (2, 2), (3, 3), (4, 4)",
    )
    star.wait_caught_up(60)
    move = f"UPDATE {schema}.p SET u ="
    by_hand(
        replica,
        f"{move} CONCAT(u, '!') WHERE u IS NOT NULL",
        *(f"{move} '{value}' WHERE id = {key}" for key, value in ((1, "b"), (2, "a"), (3, "d"), (4, "c"))),
        f"{move} 'f' WHERE id = 6",
        f"INSERT INTO {schema}.p (id, u) VALUES (9, 'e')",
    )
    applied = repair(request(star, replica, f"{schema}.*"), tmp_path)
    assert applied.outcome is Outcome.DONE, applied.text
    identical(star, replica, schema)
    healthy(star, replica)


def test_foreign_keys_take_no_other_row_with_them(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """Extra parents with extra children, both wrong; and a parent that is gone on the replica while its children are right."""
    star.source.sql(
        f"CREATE TABLE {schema}.p (id INT PRIMARY KEY, v INT)",
        f"CREATE TABLE {schema}.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {schema}.p (id) ON DELETE CASCADE)",
        f"INSERT INTO {schema}.p VALUES (1, 1), (2, 2)",
        f"INSERT INTO {schema}.c VALUES (1, 1), (2, 2)",
    )
    star.wait_caught_up(60)
    by_hand(
        replica,
        f"INSERT INTO {schema}.p VALUES (7, 7)",
        f"INSERT INTO {schema}.c VALUES (7, 7), (8, 99)",
        f"DELETE FROM {schema}.p WHERE id = 1",
        f"UPDATE {schema}.c SET p = 99 WHERE id = 2",
    )
    applied = repair(request(star, replica, f"{schema}.*"), tmp_path)
    assert applied.outcome is Outcome.DONE, applied.text
    identical(star, replica, schema)


def audited(star: Sandbox, schema: str, event: str) -> str:
    table = orders(star, schema, 4)
    star.source.sql(
        f"CREATE TABLE {schema}.audit (id INT AUTO_INCREMENT PRIMARY KEY, t INT)",
        f"CREATE TRIGGER {schema}.watcher AFTER {event} ON {table} FOR EACH ROW INSERT INTO {schema}.audit (t) VALUES (1)",
    )
    star.wait_caught_up(60)
    return table


@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_triggers_do_not_fire(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, event: str) -> None:
    """Their effect came with the source's events already."""
    table = audited(star, schema, event)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id IN (1, 2)", f"DELETE FROM {schema}.audit")
    applied = repair(request(star, replica, f"{schema}.*"), tmp_path)
    assert applied.outcome is Outcome.DONE, applied.text
    assert replica.sql(f"SELECT COUNT(*) FROM {schema}.audit") == [("0",)]
    identical(star, replica, schema)


def test_undo_twice_is_nothing_to_do(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    table = orders(star, schema, 5)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id IN (3, 4)")
    asked = request(star, replica, f"{schema}.*")
    before = contents(replica, schema)
    applied = repair(asked, tmp_path)
    assert undo(asked, tmp_path, applied.undo_file).outcome is Outcome.DONE
    assert contents(replica, schema) == before
    assert plan_undo(asked, tmp_path, applied.undo_file).done
    healthy(star, replica)


def test_a_server_that_takes_no_writes_from_anybody_is_opened_and_closed_again(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """super_read_only is MySQL's; MariaDB has read_only alone, which the operator's privilege passes."""
    if is_mariadb(star):
        return
    table = orders(star, schema, 5)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 3")
    replica.sql("SET GLOBAL super_read_only = 1")
    try:
        applied = repair(request(star, replica, f"{schema}.*"), tmp_path)
        assert applied.outcome is Outcome.DONE, applied.text
        assert replica.sql("SELECT @@GLOBAL.super_read_only") == [("1",)]
    finally:
        replica.sql("SET GLOBAL super_read_only = 0")
    identical(star, replica, schema)


def test_an_agreed_plan_covers_fewer_rows_but_no_other(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    table = orders(star, schema, 9)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id IN (3, 4)")
    asked = request(star, replica, f"{schema}.*")
    agreed = plan(asked, tmp_path).plan.plan_hash
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 5")
    with pytest.raises(Refused):
        repair(asked, tmp_path, agreed)
    star.source.sql(f"UPDATE {table} SET n = 9, status = '2' WHERE id IN (4, 5)")  # both are right again on the replica
    star.wait_caught_up(60)
    applied = repair(asked, tmp_path, agreed)
    assert (applied.outcome, applied.plan.plan_hash) == (Outcome.DONE, agreed), applied.text
    identical(star, replica, schema)


class Moved:
    """A way to the replica that leads to another server from a moment on, as an address does after a switch-over."""

    def __init__(self, star: Sandbox, there: SandboxServer, elsewhere: SandboxServer, when: Phase) -> None:
        self._there, self._when = (there.spec().writer, there.spec().endpoint), when
        self._elsewhere = elsewhere.spec().writer
        self.moved = False

    def connect(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        return Session.connect(self._elsewhere if self.moved and endpoint in self._there else endpoint, timeouts)

    def tell(self, phase: Phase) -> None:
        self.moved = self.moved or phase is self._when


@pytest.mark.parametrize(("when", "lost"), [(Phase.CHECK, False), (Phase.HOLD, False), (Phase.ROWS, False), (Phase.ROWS, True)])
def test_another_server_at_the_address_of_the_replica_is_not_changed(  # noqa: PLR0917 - fixtures
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, when: Phase, lost: bool
) -> None:
    """It has the same wrong row; the other one is let go over the session that is left, or when it is found again."""
    table = orders(star, schema, 5)
    other = star.replicas[0]
    for server in (replica, other):
        by_hand(server, f"UPDATE {table} SET status = 'X' WHERE id = 3")
    before = contents(other, schema)
    asked, way = request(star, replica, f"{schema}.*"), Moved(star, replica, other, when)

    def tell(phase: Phase) -> None:
        way.tell(phase)
        if lost and phase is when:
            with replica.connect() as db:
                db.execute(f"KILL {db.scalar(IS_LOCKED)}")

    doors = replace(tools(tmp_path), connect=way.connect, progress=tell)
    proposal = plan(asked, tmp_path)
    if when is Phase.CHECK:
        way.moved = True
        with pytest.raises(Refused):
            carry_out(asked, doors, proposal)
    else:
        applied = carry_out(asked, doors, proposal)
        assert applied.outcome is Outcome.FAILED
        with replica.connect() as db:
            assert (replication.set_delay(db.version, "", 0) in applied.text) is lost  # what a person can do
    assert contents(other, schema) == before
    healthy(star, other)
    assert (unfinished(doors.journal.entries()) is not None) is lost
    if not lost:
        healthy(star, replica)
    assert repair(asked, tmp_path).outcome is Outcome.DONE
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    by_hand(other, f"UPDATE {table} SET status = '1' WHERE id = 3")


def test_another_server_at_the_address_of_the_replica_proves_nothing(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """It is right, as the account that watches would see; whether the one that was repaired is, nobody has looked."""
    table = orders(star, schema, 5)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 3")
    asked, way = request(star, replica, f"{schema}.*"), Moved(star, replica, star.replicas[0], Phase.VERIFY)
    doors = replace(tools(tmp_path), connect=way.connect, progress=way.tell)
    applied = carry_out(asked, doors, plan(asked, tmp_path))
    assert (applied.outcome, applied.verdict) == (Outcome.FAILED, "")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_another_server_at_the_address_of_the_replica_is_not_undone(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    table = orders(star, schema, 5)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 3")
    asked, way = request(star, replica, f"{schema}.*"), Moved(star, replica, star.replicas[0], Phase.ROWS)
    file = repair(asked, tmp_path).undo_file
    proposal = plan_undo(asked, tmp_path, file)
    way.moved = True
    before = contents(star.replicas[0], schema)
    with pytest.raises(Refused):
        carry_out_undo(asked, replace(tools(tmp_path), connect=way.connect), proposal)
    way.moved = False
    doors = replace(tools(tmp_path), connect=way.connect, progress=way.tell)
    assert carry_out_undo(asked, doors, proposal).outcome is Outcome.FAILED
    assert contents(star.replicas[0], schema) == before
    assert undo(asked, tmp_path, file).outcome is Outcome.DONE


def test_the_proof_of_a_delayed_replica_waits_for_its_delay(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the source has written since the snapshot comes after the delay only, and nothing at all before."""
    monkeypatch.setattr(reseed_attach, "_STALLED", 10.0)
    table = orders(star, schema, rows=10)
    with replica.connect() as db:
        delay_by(db, 12)
    by_hand(replica, f"UPDATE {table} SET status = 'X' WHERE id = 3")
    asked = request(star, replica, table)

    def write(phase: Phase) -> None:
        if phase is Phase.CATCH_UP:
            star.source.sql(f"INSERT INTO {table} (status) VALUES ('N')")

    proposal = plan(asked, tmp_path)
    try:
        applied = carry_out(asked, replace(tools(tmp_path), progress=write), proposal)
        assert applied.outcome is Outcome.DONE, applied.text
        with replica.connect() as db:
            assert channel_state(db, "").delay == 12
    finally:
        with replica.connect() as db:
            delay_by(db, 0)
    identical(star, replica, schema)

"""Every reason for which a table forbids a reseed, as in `test_reseed_refusals.py`: its kind, its filters, or naming it alone."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.sandbox import Sandbox
from tests.server.filtering import filtering
from tests.server.refusing import LOCAL, Case, State, both, changed, lone, only
from tests.server.reseed_refusing import (
    Cases,
    by_file_and_position,
    case,
    held,
    interrupted,
    one_table,
    other_channels,
    see_refused,
    words,
)
from tests.server.reseeding import break_with_1062, last_error, replication_login, request


@contextmanager
def other_engine(star: Sandbox, schema: str) -> Cases:
    with changed(star.source, f"CREATE TABLE {schema}.m (id INT PRIMARY KEY) ENGINE=MyISAM", f"DROP TABLE {schema}.m"):
        star.wait_caught_up(60)
        yield case(star)


@contextmanager
def history_kept(star: Sandbox, schema: str) -> Cases:
    with changed(star.source, f"CREATE TABLE {schema}.h (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", f"DROP TABLE {schema}.h"):
        star.wait_caught_up(60)
        yield case(star)


@contextmanager
def own_tables(star: Sandbox, schema: str) -> Cases:
    spec = replace(star.replicas[0].spec(), local_tables=(f"{schema}.mine_*",))
    yield case(star, replica=ReplicaTarget(server=spec))


@contextmanager
def own_table(star: Sandbox, schema: str) -> Cases:
    spec = replace(star.replicas[0].spec(), local_tables=(f"{schema}.t",))
    yield case(star, replica=ReplicaTarget(server=spec), tables=(TableName(schema, "t"),))


@contextmanager
def held_for_a_table(star: Sandbox, schema: str) -> Cases:
    with held(star, schema):
        yield one_table(star, schema)


@contextmanager
def other_channels_of_unknown_tables(star: Sandbox, schema: str) -> Cases:
    with other_channels(star, schema):
        yield one_table(star, schema)


@contextmanager
def trigger_elsewhere(star: Sandbox, schema: str) -> Cases:
    """One of the named table's, which somebody has put on another one."""
    for server, table, setup in ((star.source, "t", ()), (star.replicas[0], "u", (LOCAL, f"DROP TRIGGER {schema}.stamp"))):
        star.source.sql(f"CREATE TABLE IF NOT EXISTS {schema}.u (id INT PRIMARY KEY)")
        star.wait_caught_up(60)
        server.sql(*setup, f"CREATE TRIGGER {schema}.stamp BEFORE INSERT ON {schema}.{table} FOR EACH ROW SET NEW.id = 1")
    yield one_table(star, schema)


@contextmanager
def own_table_that_refers_to_what_goes(star: Sandbox, schema: str) -> Cases:
    replica, own = star.replicas[0], f"{schema}_own"
    replica.sql(
        LOCAL,
        f"CREATE TABLE {schema}.only_here (id INT PRIMARY KEY)",
        f"CREATE DATABASE {own}",
        f"CREATE TABLE {own}.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {schema}.only_here (id))",
    )
    try:
        yield case(star, replica=ReplicaTarget(server=replace(replica.spec(), local_tables=(f"{own}.*",))))
    finally:
        replica.sql(LOCAL, f"DROP DATABASE {own}", f"DROP TABLE {schema}.only_here")


@contextmanager
def unknown_table(star: Sandbox, schema: str) -> Cases:
    yield one_table(star, schema, "nothing")


@contextmanager
def table_of_somebody_else(star: Sandbox, schema: str) -> Cases:
    yield case(star, source=star.replicas[1].spec(), tables=(TableName(schema, "t"),))


@contextmanager
def table_has_stopped_it(star: Sandbox, schema: str) -> Cases:
    replica = star.replicas[0]
    break_with_1062(star, replica, f"{schema}.t", 5)
    try:
        yield one_table(star, schema)
    finally:
        replica.sql(LOCAL, f"DELETE FROM {schema}.t WHERE id = 5")
        replica.sql(words(star)[1])
        star.wait_caught_up(60)
        assert last_error(star.flavour, replica) == "0"


@contextmanager
def half_loaded(star: Sandbox, schema: str) -> Cases:
    with interrupted(star, star.folder / schema):
        yield one_table(star, schema)


@contextmanager
def table_left_out(star: Sandbox, schema: str) -> Cases:
    with filtering(star.replicas[0], "replicate_wild_ignore_table", f"{schema}.%"):
        yield case(star)


@contextmanager
def named_table_left_out(star: Sandbox, schema: str) -> Cases:
    with filtering(star.replicas[0], "replicate_ignore_table", f"{schema}.t"):
        yield one_table(star, schema)


@contextmanager
def renamed(star: Sandbox, schema: str) -> Cases:
    with filtering(star.replicas[0], "replicate_rewrite_db", f"{schema}->elsewhere"):
        yield one_table(star, schema)


@contextmanager
def left_out_by_statement(star: Sandbox, schema: str) -> Cases:
    """A statement is judged by its default database, whatever table it changes."""
    ((was,),) = star.source.sql("SELECT @@GLOBAL.binlog_format")
    mixed = changed(star.source, "SET GLOBAL binlog_format = MIXED", f"SET GLOBAL binlog_format = {was}")
    with mixed, filtering(star.replicas[0], "replicate_ignore_db", "elsewhere"):
        yield case(star)


@contextmanager
def left_out_by_a_new_replica(star: Sandbox, schema: str) -> Cases:
    """It has no channel yet; the one that is made gets the server's filters."""
    with lone(star.flavour, f"--replicate-wild-ignore-table={schema}.%") as server:
        asked = request(star, star.replicas[0], login=True)
        yield Case(replace(asked, replica=ReplicaTarget(server=server.spec())), server)


@contextmanager
def not_logged(star: Sandbox, schema: str) -> Cases:
    with lone(star.flavour, f"--binlog-ignore-db={schema}", "--binlog-format=ROW") as server:
        server.sql(f"CREATE DATABASE {schema}", f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
        yield case(star, source=server.spec(), overwrite_standalone=str(star.replicas[0].address), login=replication_login(star))


MARIADB = Flavour.MARIADB
STATES: tuple[State[ReseedRequest], ...] = (
    both(other_engine, "engine"),
    only(MARIADB, history_kept, "system-versioned"),
    both(own_tables, "local-tables"),
    both(own_table, "local-tables"),
    both(held_for_a_table, "held"),
    both(other_channels_of_unknown_tables, "other-channels"),
    both(unknown_table, "no-such-table"),
    both(trigger_elsewhere, "trigger-elsewhere"),
    both(own_table_that_refers_to_what_goes, "local-references"),
    both(table_of_somebody_else, "not-following"),
    both(table_has_stopped_it, "applier-error"),
    both(by_file_and_position, "gtid-off"),
    both(half_loaded, "half-loaded"),
    both(table_left_out, "filtered"),
    both(named_table_left_out, "filtered"),
    both(renamed, "filtered"),
    both(left_out_by_statement, "filtered"),
    both(left_out_by_a_new_replica, "filtered"),
    both(not_logged, "filtered"),
)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_refused_and_nothing_changed(star: Sandbox, schema: str, tmp_path: Path, state: State[ReseedRequest]) -> None:
    see_refused(star, schema, tmp_path, state)

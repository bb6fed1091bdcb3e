"""Every reason to refuse a repair or its undo, on a real server in that state: it is told, and not a byte of the replica changes.

`tests/unit/reseed/test_refusals_are_tried.py` sees that no code is missing here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from repwatch.drift.repair_stages import Stage
from repwatch.errors import Refused
from repwatch.flows.hold import hold, release
from repwatch.flows.repair import RepairRequest
from repwatch.flows.repair_run import carry_out
from repwatch.flows.repair_undo import carry_out_undo
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.sandbox import Account, Sandbox
from tests.server.refusing import Case, State, another_source, both, changed, everything_on, in_group, inventory, only
from tests.server.repairing import by_hand, plan, plan_undo, repair, request, run_command, run_killed, tools
from tests.server.reseed_refusing import badly_set, by_file_and_position, interrupted, other_channels, words
from tests.server.reseeding import break_with_1062

STOP_APPLIER = {Flavour.MARIADB: "STOP SLAVE SQL_THREAD", Flavour.MYSQL: "STOP REPLICA SQL_THREAD"}


@dataclass(frozen=True)
class Asked:
    """A repair, or the undo of one, with its state folder."""

    request: RepairRequest
    folder: Path
    undo: str = ""


Cases = Iterator[Case[Asked]]


def case(star: Sandbox, schema: str, folder: Path | None = None, undo: str = "", **changes: Any) -> Case[Asked]:
    """A repair of the first replica, asked for in another way than usual."""
    asked = replace(request(star, star.replicas[0], f"{schema}.*"), **changes)
    return Case(Asked(asked, folder or state_folder(star, schema), undo), star.replicas[0])


def state_folder(star: Sandbox, schema: str) -> Path:
    return star.folder / f"state of {schema}"


@contextmanager
def same_server(star: Sandbox, schema: str) -> Cases:
    yield case(star, schema, source=star.replicas[0].spec())


@contextmanager
def ends_confused(star: Sandbox, schema: str) -> Cases:
    made = case(star, schema, source=star.replicas[0].spec(), replica=ReplicaTarget(server=star.source.spec()))
    yield Case(made.asked, star.source)


@contextmanager
def in_a_group(star: Sandbox, schema: str) -> Cases:
    with in_group(star.flavour) as server:
        yield Case(case(star, schema, replica=ReplicaTarget(server=server.spec())).asked, server)


@contextmanager
def half_loaded(star: Sandbox, schema: str) -> Cases:
    with interrupted(star, star.folder / schema):
        yield case(star, schema)


@contextmanager
def no_gtids(star: Sandbox, schema: str) -> Cases:
    with by_file_and_position(star, schema):
        yield case(star, schema)


@contextmanager
def source_without_log(star: Sandbox, schema: str) -> Cases:
    with badly_set(star, schema) as made:
        yield case(star, schema, source=made.asked.source)


@contextmanager
def without_privileges(star: Sandbox, schema: str) -> Cases:
    yield case(star, schema, replica=ReplicaTarget(server=replace(star.replicas[0].spec(), operator=None)))


@contextmanager
def held(star: Sandbox, schema: str) -> Cases:
    with star.replicas[0].connect() as db:
        was = hold(db, "")
        yield case(star, schema)
        release(db, "", was)


@contextmanager
def stopped(star: Sandbox, schema: str) -> Cases:
    with changed(star.replicas[0], STOP_APPLIER[star.flavour], words(star)[1]):
        yield case(star, schema)


@contextmanager
def halted(star: Sandbox, schema: str) -> Cases:
    break_with_1062(star, star.replicas[0], f"{schema}.t", 9)
    yield case(star, schema)
    by_hand(star.replicas[0], f"DELETE FROM {schema}.t WHERE id = 9")
    star.replicas[0].sql(words(star)[1])


@contextmanager
def prepared(star: Sandbox, schema: str) -> Cases:
    with star.source.connect(Account.ROOT) as db:
        for statement in ("XA START 'r'", f"INSERT INTO {schema}.t VALUES (9, 'z')", "XA END 'r'", "XA PREPARE 'r'"):
            db.execute(statement)
    star.wait_caught_up(60)  # it is in the log when it is prepared: the replica must not change while it is looked at
    with changed(star.source, "DO 0", "XA ROLLBACK 'r'"):
        yield case(star, schema)


@contextmanager
def too_many(star: Sandbox, schema: str) -> Cases:
    rows = ", ".join(f"({number}, 'x')" for number in range(100, 10_200))
    by_hand(star.replicas[0], f"INSERT INTO {schema}.t VALUES {rows}")
    yield case(star, schema)


def differing(name: str, *statements: str) -> Any:
    """A row is wrong, and the table is changed on the replica alone."""

    @contextmanager
    def make(star: Sandbox, schema: str) -> Cases:
        table = f"{schema}.t"
        by_hand(star.replicas[0], f"UPDATE {table} SET v = '7' WHERE id = 2", *(text.format(t=table) for text in statements))
        yield case(star, schema)
        by_hand(star.replicas[0], f"CREATE TABLE IF NOT EXISTS {table} (id INT)")

    make.__name__ = name
    return make


@contextmanager
def nameless(star: Sandbox, schema: str) -> Cases:
    """Rows without a primary key, be they named by another one or only counted."""
    for table, column in (("named", "n INT NOT NULL UNIQUE"), ("counted", "n INT")):
        star.source.sql(f"CREATE TABLE {schema}.{table} ({column}, v INT)", f"INSERT INTO {schema}.{table} VALUES (1, 1)")
    star.wait_caught_up(60)
    by_hand(star.replicas[0], f"UPDATE {schema}.named SET v = 2", f"UPDATE {schema}.counted SET v = 2")
    yield case(star, schema)


def watched(event: str) -> Any:
    """A trigger that the change would fire, or its undo."""

    @contextmanager
    def make(star: Sandbox, schema: str) -> Cases:
        star.source.sql(
            f"CREATE TABLE {schema}.audit (id INT AUTO_INCREMENT PRIMARY KEY)",
            f"CREATE TRIGGER {schema}.w AFTER {event} ON {schema}.t FOR EACH ROW INSERT INTO {schema}.audit () VALUES ()",
        )
        star.wait_caught_up(60)
        by_hand(star.replicas[0], f"DELETE FROM {schema}.t WHERE id = 2")
        yield case(star, schema)

    make.__name__ = f"trigger_on_{event.lower()}"
    return make


def filtering(star: Sandbox, setting: str, value: str) -> None:
    """Set one replication filter of the first replica; "" takes it away."""
    replica = star.replicas[0]
    if star.flavour is Flavour.MARIADB:
        replica.sql("STOP SLAVE", f"SET GLOBAL {setting} = '{value}'", "START SLAVE")
    else:
        pair = f"({value.replace('->', ',')})" if "->" in value else f"'{value}'" if value else ""
        replica.sql("STOP REPLICA SQL_THREAD", f"CHANGE REPLICATION FILTER {setting} = ({pair})", "START REPLICA SQL_THREAD")


@contextmanager
def written_elsewhere(star: Sandbox, schema: str) -> Cases:
    """Replication writes the rows into another database."""
    other = f"{schema}_there"
    by_hand(star.replicas[0], f"CREATE DATABASE {other}", f"CREATE TABLE {other}.t (id INT PRIMARY KEY, v VARCHAR(20))")
    filtering(star, "replicate_rewrite_db", f"{schema}->{other}")
    yield case(star, schema)
    filtering(star, "replicate_rewrite_db", "")
    by_hand(star.replicas[0], f"DROP DATABASE {other}")


@contextmanager
def not_replicated(star: Sandbox, schema: str) -> Cases:
    """None of the tables gets to the replica, so none is compared."""
    filtering(star, "replicate_wild_ignore_table", f"{schema}.%")
    yield case(star, schema)
    filtering(star, "replicate_wild_ignore_table", "")


@contextmanager
def unsure(star: Sandbox, schema: str) -> Cases:
    """Whether a statement gets through a filter of databases depends on where it was said."""
    filtering(star, "replicate_ignore_db", schema)
    yield case(star, schema)
    filtering(star, "replicate_ignore_db", "")


@contextmanager
def fed_by_an_unknown(star: Sandbox, schema: str) -> Cases:
    """Rows that differ may be those of another source, which cannot be asked."""
    by_hand(star.replicas[0], f"UPDATE {schema}.t SET v = '7' WHERE id = 2")
    with other_channels(star, schema):
        yield case(star, schema)


@contextmanager
def donor_beside_other_channels(star: Sandbox, schema: str) -> Cases:
    with other_channels(star, schema):
        yield case(star, schema, donor=ReplicaTarget(server=star.replicas[1].spec()))


@contextmanager
def killed(star: Sandbox, schema: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """A repair of the first replica was killed while it held it, and is finished afterwards: its folder, and its words."""
    folder, name = state_folder(star, schema), star.replicas[0].name
    folder.mkdir()
    configuration = folder / "repwatch.toml"
    configuration.write_text(star.configuration())
    by_hand(star.replicas[0], f"UPDATE {schema}.t SET v = '8' WHERE id = 3")
    repairing = (name, "--tables", f"{schema}.*", "--apply", "--yes")
    run_killed(configuration, folder, "after", Stage.HELD.value, *repairing)
    (journal,) = folder.rglob("journal.jsonl")
    yield journal.parent, repairing
    assert run_command(configuration, folder, *repairing).returncode == 0


@contextmanager
def journal_of_another(star: Sandbox, schema: str) -> Cases:
    with killed(star, schema) as (folder, _):
        made = case(star, schema, folder, replica=ReplicaTarget(server=star.replicas[1].spec()))
        yield Case(made.asked, star.replicas[1])


@contextmanager
def undo_before_the_end(star: Sandbox, schema: str) -> Cases:
    undo = repaired(star, schema, star.folder / f"first of {schema}")
    with killed(star, schema) as (folder, _):
        yield case(star, schema, folder, undo)


def repaired(star: Sandbox, schema: str, folder: Path) -> str:
    """A repair that is done: its undo file."""
    by_hand(star.replicas[0], f"UPDATE {schema}.t SET v = '7' WHERE id = 2")
    return repair(request(star, star.replicas[0], f"{schema}.*"), folder).undo_file


@contextmanager
def undo_of_another(star: Sandbox, schema: str) -> Cases:
    folder = state_folder(star, schema)
    undo = repaired(star, schema, folder)
    made = case(star, schema, folder / "another", undo, replica=ReplicaTarget(server=star.replicas[1].spec()))
    yield Case(made.asked, star.replicas[1])


def undoing(name: str, *statements: str) -> Any:
    """The source changes the table after the repair."""

    @contextmanager
    def make(star: Sandbox, schema: str) -> Cases:
        folder = state_folder(star, schema)
        undo = repaired(star, schema, folder)
        star.source.sql(*(text.format(s=schema) for text in statements))
        star.wait_caught_up(60)
        yield case(star, schema, folder, undo)

    make.__name__ = name
    return make


@contextmanager
def left_by_its_source(star: Sandbox, schema: str) -> Cases:
    """It goes on to follow the old source, which follows a new one itself."""
    with another_source(star, star.source):
        yield case(star, schema, inventory=inventory(star))


@contextmanager
def undo_beside_an_old_source(star: Sandbox, schema: str) -> Cases:
    folder = state_folder(star, schema)
    undo = repaired(star, schema, folder)
    with another_source(star, star.source):
        yield case(star, schema, folder, undo, inventory=inventory(star))


AUDIT = "CREATE TRIGGER {s}.w AFTER UPDATE ON {s}.t FOR EACH ROW SET @a = 1"
MARIADB = Flavour.MARIADB
STATES: tuple[State[Asked], ...] = (
    both(same_server, "same-server"),
    both(ends_confused, "has-replicas", "is-source", "not-following"),
    both(in_a_group, "group-member"),
    both(half_loaded, "half-loaded"),
    both(no_gtids, "gtid-off"),
    both(source_without_log, "no-binlog"),
    both(without_privileges, "privilege-missing"),
    both(held, "held"),
    both(stopped, "replication-stopped"),
    both(halted, "applier-error"),
    both(prepared, "prepared-xa"),
    both(too_many, "too-many-rows"),
    both(differing("other_type", "ALTER TABLE {t} MODIFY v INT"), "schema-differs"),
    both(differing("another_column", "ALTER TABLE {t} ADD COLUMN w INT"), "schema-differs"),
    both(differing("other_characters", "ALTER TABLE {t} MODIFY v VARCHAR(20) CHARACTER SET latin1"), "schema-differs"),
    both(differing("no_key_there", "ALTER TABLE {t} DROP PRIMARY KEY"), "schema-differs"),
    both(differing("other_engine", "ALTER TABLE {t} ENGINE = MyISAM"), "engine"),
    both(differing("no_table_there", "DROP TABLE {t}"), "table-differs"),
    both(nameless, "no-primary-key"),
    both(watched("INSERT"), "triggers"),
    both(watched("DELETE"), "triggers"),
    both(written_elsewhere, "rewritten"),
    both(not_replicated, "not-checked"),
    only(MARIADB, unsure, "undecided"),  # MySQL logs rows, whose way through filters is clear
    both(fed_by_an_unknown, "other-channels"),
    both(donor_beside_other_channels, "other-channels"),
    both(journal_of_another, "other-server"),
    both(undo_before_the_end, "unfinished"),
    both(undo_of_another, "other-server"),
    both(undoing("undo_of_changed_rows", "UPDATE {s}.t SET v = '9' WHERE id = 2"), "rows-changed"),
    both(undoing("undo_of_another_table", "ALTER TABLE {s}.t ADD COLUMN w INT"), "schema-differs"),
    both(left_by_its_source, "source-disputed"),
    both(undo_beside_an_old_source, "source-disputed"),
    both(undoing("undo_that_fires", AUDIT, AUDIT.replace(".w", ".x").replace("UPDATE", "INSERT")), "triggers"),
)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_refused_and_nothing_changed(star: Sandbox, schema: str, state: State[Asked]) -> None:
    if star.flavour not in state.codes:
        return
    star.source.sql(
        f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v VARCHAR(20))",
        f"INSERT INTO {schema}.t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    star.wait_caught_up(60)
    with state.make(star, schema) as made:
        before = everything_on(made.target)
        assert state.codes[star.flavour] <= refused(made.asked)
        assert everything_on(made.target) == before
    star.wait_caught_up(60)


def refused(asked: Asked) -> set[str]:
    """The codes; and it is not done either by who asks for it all the same."""
    doors = tools(asked.folder)
    if asked.undo:
        undoing = plan_undo(asked.request, asked.folder, asked.undo)
        with pytest.raises(Refused):
            carry_out_undo(asked.request, doors, undoing)
        return {refusal.code for refusal in undoing.plan.refusals}
    proposal = plan(asked.request, asked.folder)
    with pytest.raises(Refused):
        carry_out(asked.request, doors, proposal)
    return {refusal.code for refusal in proposal.plan.refusals}

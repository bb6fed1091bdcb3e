"""The plan of a row repair: the steps that are shown are those that run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repwatch.drift.repair import Event, RowChange
from repwatch.drift.repair_scope import METHOD, Scope
from repwatch.model.plan import Plan, Refusal, Step
from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql import repair as sql
from repwatch.sql import replication, reseed, snapshot
from repwatch.sql.encoding import TEXTUAL, kind_of
from repwatch.sql.keyrange import Key
from repwatch.sql.repair import RowTable

_VERBS = {Event.DELETE: "delete", Event.INSERT: "insert", Event.UPDATE: "update"}
_VALUE_WIDTH = 40  # of a value that is shown beside the statement, which has it whole
_POSITION = "<position of the snapshot>"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """The changes of one table of the replica."""

    table: RowTable
    changes: tuple[RowChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What of the replica the steps depend on. `delay` in seconds, as it is to be again afterwards."""

    version: ServerVersion
    channel: str
    delay: int
    super_read_only: bool
    donor: "Donor | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """What of the replica that is copied from the steps depend on."""

    version: ServerVersion
    channel: str


def make_plan(scope: Scope, replica: Replica, tables: Sequence[PlannedTable], refusals: Sequence[Refusal], reason: str) -> Plan:
    """The plan of this scope; without rows it has no steps."""
    steps = _steps(scope, replica, tables) if scope.rows else ()
    return Plan(method=METHOD, reason=reason, plan_hash=scope.plan_hash, refusals=tuple(refusals), steps=steps)


def _steps(scope: Scope, replica: Replica, tables: Sequence[PlannedTable]) -> tuple[Step, ...]:
    version, channel, target = replica.version, replica.channel, scope.target
    hold = replication.set_delay(version, channel, replication.HOLD_DELAY)
    release = replication.set_delay(version, channel, replica.delay)
    until = replication.start_until(version, channel, _POSITION)
    writable = Step(what="let the operator write", where=target, statement=reseed.set_super_read_only(on=False), reversible=True)
    protected = Step(what="make it read-only again", where=target, statement=reseed.set_super_read_only(on=True), reversible=True)
    return (
        Step(what="hold replication", where=target, statement=hold, reversible=True),
        *_snapshot(scope, replica.donor),
        Step(what="let the replica run up to the snapshot", where=target, statement=until, reversible=True),
        *((writable,) if replica.super_read_only else ()),
        *(step for planned in tables for step in row_steps(planned, target, version)),
        Step(what="compare the rows with the snapshot and commit", where=target, statement=sql.COMMIT, reversible=True),
        *((protected,) if replica.super_read_only else ()),
        Step(what="let replication go on", where=target, statement=release, reversible=True),
        Step(what="check the tables for drift", where=target, statement="SELECT …", reversible=True),
    )


def _snapshot(scope: Scope, donor: Donor | None) -> tuple[Step, ...]:
    """A replica that stands for the source is held for that moment."""
    taking = Step(what="take a snapshot", where=scope.donor or scope.source, statement=snapshot.START, reversible=True)
    if donor is None:
        return (taking,)
    still = replication.set_delay(donor.version, donor.channel, replication.HOLD_DELAY)
    going = replication.start_channel(donor.version, donor.channel)
    return (
        Step(what="hold replication of the donor", where=scope.donor, statement=still, reversible=True),
        taking,
        Step(what="let the donor go", where=scope.donor, statement=going, reversible=True),
    )


def row_steps(planned: PlannedTable, target: str, version: ServerVersion) -> list[Step]:
    """One step for each change, not written to the binary log; the undo file takes all of them back."""
    return [
        Step(
            what=f"{_VERBS[change.event]} {planned.table.name} {show_key(planned.table, change.key)}"
            f"{_differences(planned.table, change)}",
            where=target,
            statement=statement(planned.table, change, version),
            reversible=True,
        )
        for change in planned.changes
    ]


def statement(table: RowTable, change: RowChange, version: ServerVersion) -> str:
    """The SQL of one change."""
    if change.after is None:
        return sql.delete(table, change.key)
    if change.before is None:
        return sql.insert(table, change.after, version)
    return sql.update(table, change.key, change.after, version)


def _differences(table: RowTable, change: RowChange) -> str:
    """What an update changes: `: status 'X' -> 'N'`."""
    if change.before is None or change.after is None:
        return ""
    triples = zip(table.columns, change.before, change.after, strict=True)
    return ": " + ", ".join(f"{name} {_value(was)} -> {_value(then)}" for name, was, then in triples if was != then)


def _value(raw: bytes | None) -> str:
    if raw is None:
        return "NULL"
    try:
        text = repr(raw.decode("utf-8"))
    except UnicodeDecodeError:
        text = f"0x{raw.hex()}"
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def show_key(table: RowTable, key: Key) -> str:
    """A key for people: `id=7, lang='en'`."""
    parts = zip(table.key, key, strict=True)
    return ", ".join(f"{column.column.name}={_show(value, text=kind_of(column.column) in TEXTUAL)}" for column, value in parts)


def _show(value: str, *, text: bool) -> str:
    return repr(bytes.fromhex(value).decode("utf-8", "backslashreplace")) if text else value


def count_rows(scope: Scope) -> Mapping[TableName, int]:
    """How many rows of each table."""
    counts: dict[TableName, int] = {}
    for row in scope.rows:
        counts[row.table] = counts.get(row.table, 0) + 1
    return counts

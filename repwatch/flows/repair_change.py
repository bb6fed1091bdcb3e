"""One transaction on the replica that gives rows their wanted content: read under locks, planned, changed, read again, committed.

Killed anywhere, the server rolls it back as soon as it sees the connection gone; it is repeated from what the server shows then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from repwatch.drift.repair import Rows, TriggersInTheWay
from repwatch.drift.repair_plan import PlannedTable
from repwatch.errors import OutcomeUnknown, Refused, ServerError
from repwatch.flows import repair_rows
from repwatch.flows.repair_rows import Definitions
from repwatch.model.endpoint import Endpoint
from repwatch.model.schema import TableName
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import repair as sql
from repwatch.sql.keyrange import Key

_PATIENT = Timeouts(connect=10.0, read=600.0)
Planned = tuple[PlannedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to change, and whom to tell before it: `announce` with the plan before the first statement, `committing` at the end.

    `check` looks at the rows as they are, under their locks, and raises to forbid the change.
    """

    definitions: Definitions
    keys: Mapping[TableName, Sequence[Key]]
    wanted: Mapping[TableName, Rows]
    announce: Callable[[Planned], None]
    committing: Callable[[], None]
    check: Callable[[Mapping[TableName, Rows]], None] = lambda _: None


def change_rows(connect: Connect, endpoint: Endpoint, change: Change) -> Planned:
    """Change the rows; what was changed. Nothing is written to the binary log.

    Raises Refused and StatementRefused when nothing was changed, OutcomeUnknown when even a second look could not tell.
    """
    with connect(endpoint, _PATIENT) as db:
        for statement in sql.writer_setup(db.version):
            db.execute(statement)
        packet = int(db.scalar(sql.MAX_PACKET) or 0)
        db.execute(sql.BEGIN)
        actual = repair_rows.read_all(db, change.definitions.tables, change.keys, lock=True)
        change.check(actual)
        planned = _plan(change, actual)
        if not any(table.changes for table in planned):
            db.execute(sql.ROLLBACK)
            return planned
        change.announce(planned)
        repair_rows.write_rows(db, planned, packet)
        repair_rows.verify_rows(db, change.definitions.tables, change.wanted, planned)
        change.committing()
        _commit(connect, db, change)
    return planned


def _plan(change: Change, actual: Mapping[TableName, Rows]) -> Planned:
    try:
        return repair_rows.plan_tables(change.definitions, change.wanted, actual)
    except TriggersInTheWay as trouble:
        raise Refused(str(trouble), hint="`repwatch reseed` puts the replica right") from None


def _commit(connect: Connect, db: Database, change: Change) -> None:
    """Commit; where the answer is lost, look whether it was done."""
    try:
        db.execute(sql.COMMIT)
    except OutcomeUnknown:
        with connect(db.endpoint, _PATIENT) as other:
            for statement in sql.writer_setup(other.version):
                other.execute(statement)
            other.execute(sql.BEGIN)  # locks: an end of the old transaction that is still under way is waited for
            actual = repair_rows.read_all(other, change.definitions.tables, change.keys, lock=True)
            other.execute(sql.ROLLBACK)
        if any(table.changes for table in _plan(change, actual)):
            raise ServerError("the transaction was rolled back by the server", server=db.server) from None

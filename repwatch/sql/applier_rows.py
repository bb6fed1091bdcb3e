"""Rows about an applier's threads and locks into what it does. Pure; whatever is missing, NULL or odd becomes "not known"."""

from collections.abc import Iterable
from dataclasses import dataclass

from repwatch.model.applier import Holder, WaitKind
from repwatch.sql.status_columns import RawRow, StatusRow
from repwatch.sql.status_texts import brief_statement, statement_table

# Stages of both flavours. "Waiting for table flush" and "… level lock" (other engines) are waits for a table as well.
_STAGES = (
    ("waiting for global read lock", WaitKind.GLOBAL_LOCK),
    ("waiting for commit lock", WaitKind.GLOBAL_LOCK),
    ("waiting for backup lock", WaitKind.GLOBAL_LOCK),
    ("metadata lock", WaitKind.METADATA_LOCK),
    ("waiting for table flush", WaitKind.METADATA_LOCK),
    ("waiting for table level lock", WaitKind.METADATA_LOCK),
)
# Threads that wait for one another, not for anybody else; and the read of an empty relay log.
_IDLE = (
    "waiting for an event from coordinator",
    "waiting for work from sql thread",
    "has read all relay log",
    "preceding transaction to commit",
    "prior transaction to commit",
    "dependent transaction to commit",
    "process their queues",
)
_ROW_EVENT = ("rows_log_event", "applying batch of row changes")
# MySQL manual "Metadata Locking": locks of one object that do not bar each other. What is not listed bars.
_READS = {"SHARED", "SHARED_HIGH_PRIO", "SHARED_READ"}
_WRITES = {"SHARED_WRITE", "SHARED_WRITE_LOW_PRIO"}
_BESIDE_TABLE = _READS | _WRITES | {"SHARED_UPGRADABLE"}
# MariaDB, by the names of METADATA_LOCK_INFO ("BACKUP STAGE" in the manual tells which stage bars whom).
_BARS_TABLE = {"MDL_SHARED_NO_WRITE", "MDL_SHARED_NO_READ_WRITE", "MDL_SHARED_READ_ONLY", "MDL_EXCLUSIVE"}
_BARS_SERVER = {f"MDL_BACKUP_{stage}" for stage in ("FTWRL1", "FTWRL2", "FLUSH", "WAIT_FLUSH", "WAIT_DDL", "WAIT_COMMIT")}
SUSPECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplierThread:
    """One applier thread. `thread` is its number in performance_schema (MySQL) or the process list."""

    channel: str
    thread: int
    connection: int
    stage: str
    statement: str
    table: str  # that its statement names
    wait: WaitKind | None
    rows_changed: int | None

    @property
    def in_row_event(self) -> bool:
        """True while it changes rows: its table is then locked for nobody who only asks for its definition."""
        return any(word in self.stage.lower() for word in _ROW_EVENT)

    @property
    def idle(self) -> bool:
        """True if it has nothing to do, or waits for another applier thread."""
        return self.wait is None and any(word in self.stage.lower() for word in _IDLE)


def read_appliers(rows: Iterable[RawRow]) -> tuple[ApplierThread, ...]:
    """The threads that have something to do, those that wait for a lock first, then who has changed most."""
    threads = [thread for thread in map(_thread, map(StatusRow, rows)) if not thread.idle]
    return tuple(sorted(threads, key=lambda thread: (thread.wait is None, -(thread.rows_changed or 0), thread.thread)))


def _thread(row: StatusRow) -> ApplierThread:
    stage, statement = row.text("stage"), row.text("statement")
    changed = row.number("trx_rows_modified")
    return ApplierThread(
        channel=row.text("channel"),
        thread=row.whole("thread"),
        connection=row.whole("connection"),
        stage=stage,
        statement=brief_statement(statement),
        table=statement_table(statement, row.text("db")),
        wait=_wait(stage, row.text("trx_state")),
        rows_changed=None if changed is None else int(changed),
    )


def _wait(stage: str, transaction: str) -> WaitKind | None:
    return lock_wait(stage) or (WaitKind.ROW_LOCK if transaction == "LOCK WAIT" else None)


def lock_wait(stage: str) -> WaitKind | None:
    """The lock that an applier waits for by its stage; of row locks no stage tells."""
    return next((kind for text, kind in _STAGES if text in stage.lower()), None)


def read_holders(rows: Iterable[RawRow], thread: int) -> tuple[tuple[Holder, ...], str]:
    """Who bars this waiting thread, and from which table ("" if it is none), by the rows of `metadata_locks` or `row_locks`."""
    barring = [
        row
        for row in map(StatusRow, rows)
        if row.whole("waiter") == thread and _bars(row.text("kind"), row.text("wanted"), row.text("held"))
    ]
    tables = [_name(row) for row in barring if row.text("kind") == "TABLE"]
    return tuple(dict.fromkeys(map(_holder, barring))), next(iter(tables), "")


def _bars(kind: str, wanted: str, held: str) -> bool:
    if not held:  # a row lock: the server names no others
        return True
    if kind == "TABLE" and wanted in _BESIDE_TABLE:
        writes = wanted in _WRITES
        return held not in (_BESIDE_TABLE if writes else _BESIDE_TABLE | {"SHARED_NO_WRITE", "SHARED_READ_ONLY"})
    return held != wanted or "EXCLUSIVE" in wanted.replace("INTENTION_EXCLUSIVE", "")


def read_suspects(rows: Iterable[RawRow], account: str) -> tuple[Holder, ...]:
    """Who may hold it: those who are at work, else those who are merely connected, but never repwatch (`user@`) itself."""
    values = [StatusRow(row) for row in rows]
    strangers = [row for row in values if not row.text("account").startswith(account)]
    active = [row for row in strangers if row.is_on("active")]
    return tuple(map(_holder, (active or strangers)[:SUSPECTS]))


def read_locks(rows: Iterable[RawRow], wait: WaitKind, table: str) -> tuple[Holder, ...]:
    """MariaDB's plugin: who holds granted locks that such a wait for that table may be for.

    Nothing tells which lock the applier wants. Where somebody has barred the table, it is that; else it wants the table for
    itself (DDL), and everyone who uses it is in its way.
    """
    locks = [(row, row.text("kind").lower(), row.text("held")) for row in map(StatusRow, rows)]
    if wait is WaitKind.GLOBAL_LOCK:
        return tuple(dict.fromkeys(_holder(row) for row, _, held in locks if held in _BARS_SERVER))
    there = [(row, held) for row, kind, held in locks if kind == "table metadata lock" and table in ("", _name(row))]
    barred = [row for row, held in there if held in _BARS_TABLE]
    return tuple(dict.fromkeys(map(_holder, barred or [row for row, _ in there])))


def read_tables(rows: Iterable[RawRow], thread: int) -> str:
    """The table that a thread took last, "" if none is known."""
    names = [_name(row) for row in map(StatusRow, rows) if row.whole("thread") == thread]
    return names[-1] if names else ""


def _name(row: StatusRow) -> str:
    return f"{row.text('db')}.{row.text('name')}"


def _holder(row: StatusRow) -> Holder:
    seconds = row.number("seconds")
    return Holder(
        connection=row.whole("connection"),
        account=row.text("account"),
        command=row.text("command"),
        statement=brief_statement(row.text("statement")),
        seconds=None if seconds is None else int(seconds),
    )

"""Drift made by hand, and checks of it, for the tests of this folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift import pace
from repwatch.drift.progress import Progress
from repwatch.drift.report import (
    Cell,
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    ExtraRow,
    Hex,
    MissingRow,
    ReplicaReport,
    SchemaDifference,
    TableReport,
)
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_stand import ExactMeans
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.render.drift_words import kind_of_difference
from repwatch.sandbox import Sandbox, SandboxServer


def run_check(
    box: Sandbox,
    *tables: str,
    replicas: Sequence[SandboxServer] = (),
    where: str | None = None,
    most: int = 1000,
    seconds: float = 60,
    reach: float = 60,
    progress: Callable[[Progress], None] = lambda _: None,
    reference: SandboxServer | None = None,
    users: bool = False,
    strict: bool = False,
    lock_hot: bool = False,
    exact: ExactMeans | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DriftReport:
    """Check with the watching account, the least privileged one."""
    request = CheckRequest(
        source=box.source.spec(),
        replicas=tuple(ReplicaTarget(server=server.spec()) for server in replicas or box.replicas),
        tables=tables,
        where=where,
        max_differences=most,
        settle_seconds=seconds,
        reach_seconds=reach,
        reference=ReplicaTarget(server=reference.spec()) if reference else None,
        users=users,
        strict=strict,
        lock_hot=lock_hot,
    )
    return check(request, connect=Session.connect, clock=SystemClock(), progress=progress, exact=exact, cancelled=cancelled)


def run_static(
    one: SandboxServer,
    other: SandboxServer,
    *tables: str,
    seconds: float = 60,
    most: int = 1000,
    connect: Connect = Session.connect,
    clock: Clock | None = None,
) -> DriftReport:
    """Compare two servers as they stand."""
    request = CheckRequest(
        source=one.spec(),
        replicas=(ReplicaTarget(server=other.spec()),),
        tables=tables,
        max_differences=most,
        settle_seconds=seconds,
        static=True,
    )
    return check(request, connect=connect, clock=clock or SystemClock())


def fix_pieces(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Pieces of so many rows, however fast or slow the machine reads them."""
    for name in ("FIRST_ROWS", "MOST_ROWS"):
        monkeypatch.setattr(pace, name, rows)
    for name in ("TARGET_SECONDS", "GENTLE_SECONDS"):
        monkeypatch.setattr(pace, name, 3600.0)
    monkeypatch.setattr(pace, "GENTLE_PART", 1)


def drift_on(server: SandboxServer, *statements: str) -> None:
    """Change a replica behind its source's back; its own binary log does not tell."""
    with server.connect() as db:
        db.execute("SET SESSION sql_log_bin = 0")
        db.execute("SET SESSION foreign_key_checks = 0")
        for statement in statements:
            db.execute(statement)


def fill(server: SandboxServer, table: str, rows: Sequence[str], batch: int = 1000) -> None:
    """Insert many rows, each given as `(…)`."""
    with server.connect() as db:
        for start in range(0, len(rows), batch):
            db.execute(f"INSERT INTO {table} VALUES {', '.join(rows[start : start + batch])}")


def of_replica(report: DriftReport, server: SandboxServer) -> ReplicaReport:
    """The part about one replica."""
    return next(replica for replica in report.replicas if replica.server == str(server.address))


def of_table(report: DriftReport, server: SandboxServer, table: str) -> TableReport:
    """The part about one table on one replica."""
    return next(found for found in of_replica(report, server).tables if found.table == table)


@dataclass(frozen=True)
class Found:
    """A row difference in a form that compares well: kind, key, and for a changed row its columns.

    A row without a key has all its values as key, and "source:replica" counts in place of columns.
    """

    kind: str
    key: tuple[str | None, ...]
    columns: frozenset[str] = frozenset()


def found_in(table: TableReport) -> set[Found]:
    """The row differences of a table."""
    return {_found(difference) for difference in table.differences if not isinstance(difference, SchemaDifference)}


def _found(difference: Difference) -> Found:
    match difference:
        case ChangedRow():
            return Found("changed", _key(difference.key), frozenset(difference.columns))
        case MissingRow():
            return Found("missing", _key(difference.key))
        case ExtraRow():
            return Found("extra", _key(difference.key))
        case CountedRow():
            counts = f"{difference.source_count}:{difference.replica_count}"
            return Found(kind_of_difference(difference), _key(difference.row), frozenset({counts}))
        case _:
            raise AssertionError(difference)


def _key(key: Mapping[str, Cell]) -> tuple[str | None, ...]:
    return tuple(f"0x{cell.digits}" if isinstance(cell, Hex) else cell for cell in key.values())

"""The service's checks in the store, one row each."""

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import drift_runs, moment, stamp
from repwatch.drift.overview import DriftRun, RunOutcome, RunSummary


def begin_run(connection: Connection, cluster: str, started: datetime, summary: RunSummary) -> int:
    """Note a check that begins; its number. What the cluster had running before was interrupted, or it would have ended."""
    running = (drift_runs.c.cluster == cluster) & (drift_runs.c.outcome == RunOutcome.RUNNING)
    connection.execute(update(drift_runs).where(running).values(outcome=RunOutcome.INTERRUPTED))
    values = {"cluster": cluster, "started": stamp(started), "finished": stamp(started), "outcome": RunOutcome.RUNNING}
    row = connection.execute(insert(drift_runs).values(**values, body=codec.dump(codec.RUN_SUMMARY, summary)))
    assert row.inserted_primary_key is not None
    return int(row.inserted_primary_key[0])


def end_run(connection: Connection, number: int, finished: datetime, outcome: RunOutcome, summary: RunSummary) -> None:
    """Note what became of it."""
    values = {"finished": stamp(finished), "outcome": outcome, "body": codec.dump(codec.RUN_SUMMARY, summary)}
    connection.execute(update(drift_runs).where(drift_runs.c.id == number).values(**values))


def forget_runs(connection: Connection, before: datetime) -> None:
    """Drop what ended before that time."""
    connection.execute(delete(drift_runs).where(drift_runs.c.finished < stamp(before)))


def read_runs(connection: Connection, cluster: str) -> tuple[DriftRun, ...]:
    """All that are kept, the newest first."""
    statement = select(drift_runs).where(drift_runs.c.cluster == cluster).order_by(drift_runs.c.id.desc())
    found = (_run(row) for row in connection.execute(statement).mappings())
    return tuple(run for run in found if run is not None)


def _run(row: RowMapping) -> DriftRun | None:
    """None for a row that an earlier version has written."""
    try:
        summary = codec.RUN_SUMMARY.validate_json(row["body"])
        outcome = RunOutcome(row["outcome"])
    except (ValidationError, ValueError):
        return None
    started, finished = moment(row["started"]), moment(row["finished"])
    return DriftRun(number=row["id"], started=started, finished=finished, outcome=outcome, summary=summary)

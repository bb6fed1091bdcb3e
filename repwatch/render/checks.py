"""The service's drift checks as JSON: when each replica's tables were last proved, the check that runs, and the last ones."""

import json
from collections.abc import Sequence

from repwatch.drift.overview import DriftOverview, DriftRun, ProofSummary, RunningCheck
from repwatch.drift.progress import Behind
from repwatch.drift.throttle import Hold
from repwatch.render.drift_json import Json
from repwatch.render.drift_progress import progress_line
from repwatch.render.times import rfc3339


def checks_json(overviews: Sequence[DriftOverview]) -> str:
    """One JSON document, schema_version 1."""
    body = {"schema_version": 1, "clusters": [_cluster(overview) for overview in overviews]}
    return json.dumps(body, indent=2, ensure_ascii=False)


def _cluster(overview: DriftOverview) -> Json:
    within = overview.prove_within
    return {
        "name": overview.cluster,
        "as_of": rfc3339(overview.as_of),
        "prove_within_seconds": int(within.total_seconds()) if within else None,
        "replicas": [_replica(replica) for replica in overview.replicas],
        "running": _running(overview.running) if overview.running else None,
        "suspect": _running(overview.suspect) if overview.suspect else None,
        "checks": [_run(run, kept=run.number in overview.reports) for run in overview.recent],
    }


def _replica(replica: ProofSummary) -> Json:
    return {
        "server": replica.server,
        "name": replica.name,
        "channel": replica.channel,
        "tables": replica.tables,
        "tables_proved_in_time": replica.fresh,
        "tables_never_proved": replica.never,
        "tables_drifted": replica.drifted,
        "last_proved": rfc3339(replica.oldest) if replica.oldest else None,
        "oldest_table": replica.oldest_table,
    }


def _running(check: RunningCheck) -> Json:
    progress = check.progress
    document: dict[str, Json] = {"started": rfc3339(check.started), "whole": not check.tables, "paused": check.is_paused}
    if check.replica:
        document["replica"] = check.replica
    if progress is not None:
        eta = progress.eta_seconds
        document |= {
            "table": progress.table,
            "tables_done": progress.tables_done,
            "tables": progress.tables,
            "rows": progress.rows,
            "rows_expected": progress.rows_expected,
            "rows_per_second": round(progress.rate),
            "rows_per_piece": progress.piece_rows or None,
            "eta_seconds": None if eta is None else round(eta),
            "waits": _waits(progress.waits),
            "summary": progress_line(progress),
        }
    return document


def _waits(waits: Hold | Behind | None) -> str | None:
    return waits.strain.value if isinstance(waits, Hold) else "replica-behind" if waits else None


def _run(run: DriftRun, *, kept: bool) -> Json:
    return {
        "number": run.number,
        "started": rfc3339(run.started),
        "finished": rfc3339(run.finished),
        "outcome": run.outcome.value,
        "whole": run.summary.whole,
        "tables": run.summary.tables,
        "rows_proved": run.summary.rows_proved,
        "differences": run.summary.differences,
        "report": f"/reports/{run.number}.json" if kept else None,
    }

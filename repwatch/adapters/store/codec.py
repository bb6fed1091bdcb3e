"""Values of the core to JSON text and back, exactly."""

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from pydantic import TypeAdapter

from repwatch.adapters.store.tables import moment
from repwatch.drift.overview import RunSummary
from repwatch.health.incident import Incident
from repwatch.health.view import DatedView
from repwatch.health.world import SettledSource
from repwatch.model.digest import Digest
from repwatch.model.finding import Finding
from repwatch.model.notice import Notice
from repwatch.model.restart import Restart
from repwatch.model.risks import Suspicion
from repwatch.model.view import ClusterView

T = TypeVar("T")

INCIDENT = TypeAdapter(Incident)
FINDING = TypeAdapter(Finding)
NOTICE = TypeAdapter(Notice)
DIGEST = TypeAdapter(Digest)
SUSPICION = TypeAdapter(Suspicion)
RESTART = TypeAdapter(Restart)
SOURCE = TypeAdapter(SettledSource)
CLUSTER = TypeAdapter(ClusterView)
RUN_SUMMARY = TypeAdapter(RunSummary)
THREAD = TypeAdapter(dict[str, str])


def dump(adapter: TypeAdapter[T], value: T) -> str:
    """JSON text."""
    return adapter.dump_json(value).decode()


def incident(body: str, *, acknowledged: bool, by: str | None) -> Incident:
    """An incident; whether it is acknowledged, and by whom, is kept beside its body."""
    return replace(INCIDENT.validate_json(body), acknowledged=acknowledged, acknowledged_by=by or "")


def dated_view(as_of: str, poll_seconds: float, body: str) -> DatedView:
    """What a row of `views` holds."""
    return DatedView(cluster=CLUSTER.validate_json(body), as_of=moment(as_of), poll_interval=timedelta(seconds=poll_seconds))

"""What the marker of a run says at its beginning: settings as they were, or what an interrupted run has left."""

from dataclasses import replace

from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.reseed.choice import Choice
from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method
from repwatch.reseed.stages import Marker, Stage, marker_of_settings


def first_marker(request: ReseedRequest, tools: Tools, facts: Facts, choice: Choice) -> Marker:
    """What the replica says already, else a new one; in any case of this method, and with the server that is copied from."""
    donor = str(request.donor.server.endpoint.address) if request.donor else ""
    marker = facts.target.marker or _new_marker(tools, facts, choice)
    if choice.method is Method.CLONE and not marker.scheduler:  # else kept since a clone was tried, and ours by now
        scheduler, persisted = _kept_by_server(facts)
        marker = replace(marker, scheduler=scheduler, persisted=persisted)
    return replace(marker.taken_over(choice.method, choice.tables), donor=donor)


def _new_marker(tools: Tools, facts: Facts, choice: Choice) -> Marker:
    """The settings as they are, or, if a run was killed between changing the first one and marking, as they were."""
    target, state = facts.target, facts.current
    scheduler, persisted = _kept_by_server(facts) if choice.method is Method.CLONE else ("", "")
    marker = Marker(
        run=tools.clock.now().strftime("%Y%m%dT%H%M%S.%fZ"),
        stage=Stage.MARKED,
        source=str(facts.source.server.address),
        source_key=facts.source.server.key,
        target_key=target.server.key,
        channel=facts.channel,
        before="",
        position="",
        delay=state.delay if state else 0,
        receiver=state is not None and state.receiver_running,
        applier=state is not None and state.applier_running,
        read_only=target.read_only,
        super_read_only=target.super_read_only,
        trust_creators=target.trust_creators,
        local_infile=target.local_infile,
        method=choice.method,
        tables=choice.tables,
        scheduler=scheduler,
        persisted=persisted,
    )
    left = marker_of_settings(tools.journal.entries())
    if left is None:
        return marker
    return replace(
        marker,
        read_only=left.read_only,
        super_read_only=left.super_read_only,
        scheduler=left.scheduler or marker.scheduler,
    )


def _kept_by_server(facts: Facts) -> tuple[str, str]:
    """event_scheduler, and what super_read_only is after a restart: a clone changes both."""
    return (facts.clone.scheduler, facts.clone.persisted) if facts.clone else ("", "")

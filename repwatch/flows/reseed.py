"""`reseed`: show what would be done, do it, take up what was interrupted, cancel what leaves a replica that can go on."""

from contextlib import ExitStack
from dataclasses import dataclass

from repwatch.errors import Refused
from repwatch.flows import reseed_physical
from repwatch.flows.reseed_left import wait_for_left_clone
from repwatch.flows.reseed_marked import NotOurs, check_identity, in_turn
from repwatch.flows.reseed_marker import read_marker
from repwatch.flows.reseed_physical import left_machine
from repwatch.flows.reseed_quarantine import note
from repwatch.flows.reseed_run import Run
from repwatch.flows.reseed_settings import put_back, put_settings_back
from repwatch.flows.reseed_survey import ReseedRequest, open_givers, survey, survey_from
from repwatch.flows.reseed_tools import Tools
from repwatch.model.plan import Applied, Plan
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database
from repwatch.ports.shell import NO_SHELL, Shell
from repwatch.reseed.method import Method
from repwatch.reseed.plan import agreed_plan, make_plan
from repwatch.reseed.roles import some
from repwatch.reseed.stages import SETTINGS, Marker, Stage, marker_of_settings
from repwatch.sql import reseed as sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be done now. `taken_up` is the stage at which an earlier run was interrupted, None if there was none."""

    plan: Plan
    taken_up: Stage | None


class PlanRefused(Refused):
    """There are reasons not to; `plan` has them all."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("; ".join(f"{refusal.code}: {refusal.summary}" for refusal in plan.refusals))
        self.plan = plan


def plan_reseed(request: ReseedRequest, connect: Connect, clock: Clock, shell: Shell = NO_SHELL) -> Proposal:
    """The plan of the moment, with every reason not to. Changes nothing. Raises ServerError."""
    facts = survey(request, connect, clock, shell)
    return Proposal(plan=make_plan(facts), taken_up=facts.target.marker.stage if facts.target.marker else None)


def apply_reseed(request: ReseedRequest, tools: Tools, plan_hash: str | None) -> Applied:
    """Run the plan with that hash (None: the plan of the moment), or take up what was interrupted.

    Raises PlanRefused and Refused before the first change, also where the world has changed since the plan was shown; after
    it, what happened is told by the result's outcome.
    """
    wait_for_left_clone(request, tools)
    with ExitStack() as sessions:
        with ExitStack() as looking:  # closed before anything is done: a clone ends sooner where nobody else is connected
            givers = open_givers(request, tools.connect, looking)
            target = in_turn(request, tools, sessions)
            facts = survey_from(request, givers, target, tools.connect, clock=tools.clock, shell=tools.shell)
        facts, plan = agreed_plan(facts, plan_hash) if plan_hash else (facts, make_plan(facts))
        if plan.refusals:
            raise PlanRefused(plan)
        if plan_hash and plan.plan_hash != plan_hash:
            raise Refused("the servers or their schemas have changed since that plan was made", hint="look at the new plan first")
        run = Run(request, tools, facts, sessions, target)
        if request.export:
            run.export(request.export)
        return run.carry_out(plan)


def cancel_reseed(request: ReseedRequest, tools: Tools) -> str:
    """Give up a reseed whose replica can still go on as before; the sentence says what was done. Raises Refused."""
    with ExitStack() as sessions:
        # Before the marker is read: one that runs may begin to replace the data in the next moment.
        target = in_turn(request, tools, sessions)
        target.execute(sql.NO_BINLOG)
        marker = read_marker(target)
        if marker is None and request.left:
            marker = request.left[0]
            check_identity(target, marker.target_key)
        if marker is None:
            marker = marker_of_settings(tools.journal.entries())
            if marker is None:
                raise Refused(f"there is no reseed of {target.server} to cancel")
            check_identity(target, marker.target_key)
            put_settings_back(target, marker)
            return _cancelled(target, tools, marker)
        if not marker.reversible:
            hint = "`repwatch reseed --resume` does, and puts all settings back"
            raise Refused(
                f"the data of {target.server} is already replaced in part, and what it was is gone: only going on makes it whole",
                hint="; ".join(filter(None, (hint, note(target)))),
            )
        if marker.method is Method.PHYSICAL:
            target, marker = _old_data(request, tools, sessions, target, marker)
        if marker.super_read_only:  # set at last, when there is no mark any more that tells of it
            _tell(tools, marker.run, SETTINGS, marker=marker.text())
        put_back(target, marker)
        return _cancelled(target, tools, marker)


def _cancelled(target: Database, tools: Tools, marker: Marker) -> str:
    _tell(tools, marker.run, "cancelled")
    if marker.method is Method.TABLE and marker.replaced:
        tables = some([str(name) for name in marker.tables])
        return f"{target.server} goes on as before; rows of {tables} that are right by now stay so"
    return f"{target.server} is as it was before"


def _tell(tools: Tools, run: str, event: str, **more: str) -> None:
    tools.journal.append({"at": tools.clock.now().isoformat(), "run": run, "event": event, **more})


def _old_data(
    request: ReseedRequest, tools: Tools, sessions: ExitStack, target: Database, marker: Marker
) -> tuple[Database, Marker]:
    """The old data in its place, and what it says of itself: it was marked and held before it was put aside."""
    machine = left_machine(request.replica.server, tools)
    swapped = Stage.LOADING if machine is None else Stage.LOADED  # from there on the old data may be elsewhere
    if machine is None or not reseed_physical.put_back(machine):
        if marker.copied or marker.stage.rank >= swapped.rank:
            raise Refused(f"the former data of {target.server} is not found", hint="use the journal's own --state, or --resume")
        return target, marker
    target.close()
    target = in_turn(request, tools, sessions)
    target.execute(sql.NO_BINLOG)
    found = read_marker(target)
    if found is None or found.run != marker.run:
        raise NotOurs(f"{target.server} does not say that it is the data from before run {marker.run}")
    return target, found

"""One run of a reseed over its stages, from the mark to the proof.

Each stage is written down on the replica itself (the marker) when it is done, and in the journal before and after. After
a crash the replica's own state decides where to go on (`reseed/stages.py`): a lost answer means to look, not to repeat.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from repwatch.errors import Refused, RepwatchError, StoreError
from repwatch.flows import reseed_attach, reseed_physical, reseed_quarantine
from repwatch.flows.beside import beside
from repwatch.flows.hold import AlreadyPast, ApplierFailed, Held, PositionNotReached, hold
from repwatch.flows.openings import open_beside
from repwatch.flows.reseed_attach import SourcePurged
from repwatch.flows.reseed_clone import disable_events
from repwatch.flows.reseed_data import Filling, files_of
from repwatch.flows.reseed_errant import export_errant, read_errant
from repwatch.flows.reseed_marked import PATIENT, Marked
from repwatch.flows.reseed_marker import drop_marker
from repwatch.flows.reseed_outlook import Outlook
from repwatch.flows.reseed_physical import left_machine
from repwatch.flows.reseed_settings import is_held, put_back, restore_settings, restore_super_read_only
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.model.plan import Applied, Outcome, Plan
from repwatch.ports.database import Database
from repwatch.reseed.choice import choose
from repwatch.reseed.donor import donor_refusals
from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import SETTINGS, Marker, Present, Stage, goes_on_from, loading_began
from repwatch.reseed.way_on import way_on
from repwatch.sql import replication
from repwatch.sql import reseed as sql
from repwatch.sql.replication import HOLD_DELAY

_PROOF = "proved"
# Done in each run, whatever an earlier one has done. Since then the server may have restarted without starting its channel,
# somebody may have stopped it, or the run may have ended while it gave the channel its delay back.
_EACH_TIME = (Stage.MARKED, Stage.RELEASED, Stage.CAUGHT_UP)
_CHECK = "repwatch.flows.reseed_prove"


class NeedsPerson(Exception):
    """The replica runs but is not proved; `str()` says what a person has to look at."""

    def __init__(self, text: str, verdict: str) -> None:
        super().__init__(text)
        self.verdict = verdict


class WroteMore(Refused):
    """Somebody wrote on the replica after its own transactions were saved."""


class NoWayOn(Refused):
    """What was loaded is void, and cannot be copied again in the same way: to resume does not help."""


class Run:
    """One run over the stages."""

    def __init__(self, request: ReseedRequest, tools: Tools, facts: Facts, sessions: ExitStack, target: Database) -> None:
        self._request = request
        keeps = facts.source.server.binlog_expires
        self._outlook = Outlook(tools.connect, request.source.endpoint, tools.clock, tools.progress, keeps)
        self._tools = tools = replace(tools, progress=self._outlook.tell)
        self._facts = facts
        self._channel = request.replica.channel
        self._notes: tuple[str, ...] = ()
        self._verdict = ""
        self._sessions = sessions
        self._source: Future[Database] | None = None
        self._choice = choose(facts)
        self._marked = Marked(request, tools, sessions, target, facts)

    @property
    def _target(self) -> Database:
        return self._marked.db

    def export(self, path: Path) -> None:
        """Save what only the target has, before anything is changed. Raises Refused."""
        with self._tools.connect(self._request.source.writer, PATIENT) as source:
            exported = export_errant(source, self._target, self._tools.read_binlog, path)
        self._marked.marker = replace(self._marked.marker, exported=exported)
        self._notes = (f"saved to {path}: {exported or 'nothing'}",)

    def carry_out(self, plan: Plan) -> Applied:
        """All that is left to do."""
        try:
            self._stages()
            outcome, verdict, text = Outcome.DONE, self._verdict, ""
        except NeedsPerson as trouble:
            outcome, verdict, text = Outcome.NEEDS_PERSON, trouble.verdict, str(trouble)
        except (ApplierFailed, AlreadyPast, PositionNotReached, WroteMore) as error:
            outcome, verdict, text = self._stopped(error)
        except NoWayOn as error:
            outcome, verdict, text = Outcome.FAILED, "", f"{error}; {error.hint}"
        except RepwatchError as error:
            outcome, verdict = Outcome.FAILED, ""
            text = f"{error}; {way_on(error)}"
        if outcome is not Outcome.DONE:
            with suppress(RepwatchError):  # the server may be what failed
                self._notes += tuple(filter(None, [reseed_quarantine.note(self._target)]))
        try:
            self._marked.record("outcome", outcome=outcome.value, text=text)
        except StoreError as trouble:  # what came of it is told all the same
            self._notes += (f"and that could not be recorded: {trouble}",)
        return Applied(
            plan=plan,
            outcome=outcome,
            verdict=verdict,
            done_steps=tuple(self._marked.done),
            text="; ".join(filter(None, (text, *self._notes))),
        )

    def _stopped(self, error: RepwatchError) -> tuple[Outcome, str, str]:
        marker = self._marked.marker
        if marker.replaced or marker.copied or marker.stage.rank >= Stage.LOADING.rank:
            return Outcome.NEEDS_PERSON, "", f"replication stopped again after the copy: {error}"
        try:
            put_back(self._target, marker)
        except RepwatchError as trouble:
            return Outcome.FAILED, "", f"{error}; and the replica could not be let go ({trouble}): `repwatch reseed --cancel`"
        why = "" if isinstance(error, WroteMore) else "the replica could not run up to the snapshot, and "
        return Outcome.FAILED, "", f"{why}nothing was changed: {error}"

    def _stages(self) -> None:
        self._tools.progress(Progress(phase=Phase.PREPARE))
        stage = self._where_it_stands()
        try:
            self._go_on(stage)
        except SourcePurged as lost:
            if stage is None or stage.rank < Stage.LOADED.rank:
                raise  # of a copy that was made just now; the next run makes another one
            self._begin_anew(lost)
            self._go_on(Stage.MARKED)

    def _begin_anew(self, lost: SourcePurged) -> None:
        """The copy of an earlier run is too old to be brought up to the source. Raises NoWayOn."""
        why = f"the source has purged what follows the copy ({lost})"
        if self._choice.in_place:
            hint = "these tables cannot help a replica that has lost its source: look at a plan for all of it, with --method"
            raise NoWayOn(why, hint=hint)
        self._demand_donor()
        self._notes += (f"{why}, so that a new one was made",)
        self._marked.record("purged", text=str(lost))
        self._tools.progress(Progress(phase=Phase.PREPARE, text="anew, because the source has purged what follows the copy"))
        self._marked.marker = replace(self._marked.marker, stage=Stage.MARKED, position="")

    def _go_on(self, stage: Stage | None) -> None:
        in_place = self._choice.in_place
        steps: tuple[tuple[Stage, Callable[[], None]], ...] = (
            (Stage.MARKED, self._mark),
            (Stage.QUIET, self._quieten),
            (Stage.LOADED, self._fill),
            *(() if in_place else ((Stage.POSITIONED, self._position), (Stage.ATTACHED, self._attach))),
            (Stage.RELEASED, self._release),
            (Stage.CAUGHT_UP, self._catch_up),
        )
        for reached, step in steps:
            if stage is None or reached.rank > stage.rank or reached in _EACH_TIME:
                self._marked.step(reached.value, step)
                self._marked.advance(reached)
        self._marked.step(_PROOF, self._prove)

    @property
    def _cloning(self) -> bool:
        return self._choice.method is Method.CLONE

    @property
    def _by_files(self) -> bool:
        return self._choice.method is Method.PHYSICAL

    def _where_it_stands(self) -> Stage | None:
        if self._facts.target.marker is None:
            return None
        cloned = self._facts.clone.position if self._facts.clone else ""
        within = self._marked.marker.position if self._choice.in_place else ""
        present = Present(executed=self._marked.executed(within), held=is_held(self._target, self._channel), cloned=cloned)
        marker = self._marked.marker
        stage = goes_on_from(marker, present, self._target.version.flavour)
        if marker.loaded and stage is Stage.MARKED:
            self._demand_donor()
        if marker.stage.rank < stage.rank:
            marker = replace(marker, position=cloned)
        self._marked.marker = replace(marker, stage=stage)
        if stage.rank >= Stage.LOADED.rank:
            self._look_ahead_of(self._marked.marker)
        return stage

    def _look_ahead_of(self, marker: Marker) -> None:
        began = loading_began(self._tools.journal.entries(), marker.run)
        if began is not None:
            age = (self._tools.clock.now() - began).total_seconds()
            self._outlook.begin(marker.position, max(age, 0.0))

    def _demand_donor(self) -> None:
        """What was loaded is void. Raises NoWayOn where its donor is lost, or may not stand for the source any more."""
        if self._request.donor is None:
            return
        why = [refusal.summary for refusal in donor_refusals(self._facts, held=not self._cloning)]
        if self._facts.donor is None:
            why = [f"{self._request.copied.label} cannot be reached"]
        if why:
            hint = "look at a new plan, with another --from or none, and start that with --apply"
            raise NoWayOn(f"what was copied is void, and {'; '.join(why)}", hint=hint)

    def _mark(self) -> None:
        if self._facts.target.marker is None:
            self._marked.record(SETTINGS, marker=self._marked.marker.text())
        if self._cloning:
            self._marked.open_for_marker()
        elif self._facts.target.super_read_only:
            self._target.execute(sql.set_super_read_only(on=False))
        self._marked.write()
        self._target.execute(sql.set_read_only(on=True))

    def _quieten(self) -> None:
        marker = self._marked.marker
        if self._choice.in_place:
            before = Held(delay=marker.delay, receiver=marker.receiver, applier=marker.applier)
            hold(self._target, self._channel, before)
        elif is_held(self._target, self._channel) is not None:
            self._target.execute(replication.stop_channel(self._target.version, self._channel))
            self._target.execute(replication.set_delay(self._target.version, self._channel, HOLD_DELAY))
        self._marked.marker = replace(marker, before=self._marked.executed(), position="")
        if marker.exported is not None:
            self._see_that_all_is_exported()

    def _see_that_all_is_exported(self) -> None:
        """Somebody may have written until the server became read-only."""
        with self._tools.connect(self._request.source.writer, PATIENT) as source:
            now, _ = read_errant(source, self._target)
        if now not in ("", self._marked.marker.exported):
            raise WroteMore(f"{self._target.server} wrote more after its own transactions were saved: {now}")

    def _fill(self) -> None:
        # While the servers copy; not when it is needed, which may be hours later, after an upgrade of repwatch.
        beside(partial(import_module, _CHECK), "import the check")
        filling = Filling(
            request=self._request,
            tools=self._tools,
            facts=self._facts,
            choice=self._choice,
            marked=self._marked,
            outlook=self._outlook,
        )
        self._notes += filling.fill()

    def _position(self) -> None:
        self._tools.progress(Progress(phase=Phase.ATTACH))
        if self._cloning:
            reseed_attach.forget_others(self._target, self._channel)
            disable_events(self._target)
            return
        if is_held(self._target, self._channel) is not None:
            self._target.execute(replication.stop_channel(self._target.version, self._channel))
        reseed_attach.set_position(self._target, self._marked.marker.position, log_bin=self._facts.target.server.log_bin)

    def _attach(self) -> None:
        if is_held(self._target, self._channel) is not None:
            self._target.execute(replication.stop_channel(self._target.version, self._channel))
        # A channel lies in the data folder, so files bring none, or that of the replica that was cloned, login and all.
        kept = self._facts.follows_source and not (self._by_files or self._cloning)
        login = None if kept else self._request.login
        reseed_attach.attach(self._target, self._channel, login)

    def _release(self) -> None:
        self._source = self._open_source()  # while the replica starts
        reseed_attach.start(self._target, self._channel)

    def _open_source(self) -> Future[Database]:
        return open_beside(self._tools.connect, self._request.source.endpoint, None, self._sessions)

    def _catch_up(self) -> None:
        with (self._source or self._open_source()).result() as source:
            reseed_attach.catch_up(source, self._target, self._channel, self._tools.clock, self._tools.progress)

    def _prove(self) -> None:
        from repwatch.flows.reseed_prove import is_proof, prove, what_is_wrong  # noqa: PLC0415 - a tenth of the start, needed at the end

        report = prove(self._request, self._choice.tables, self._tools.connect, self._tools.clock, self._tools.progress)
        if not is_proof(report):
            text = f"the replica runs but is not proved: {what_is_wrong(report)}; --resume compares it again"
            raise NeedsPerson(text, report.verdict.value)
        self._verdict = report.verdict.value
        marker = self._marked.marker
        reseed_attach.restore_delay(self._target, self._channel, marker.delay)
        restore_settings(self._target, marker)
        # Also after another method: what an interrupted reseed by files put aside is not to be taken for the data of a later one.
        machine = files_of(self._request, self._tools, self._facts) if self._by_files else None
        if machine := machine or left_machine(self._request.replica.server, self._tools):
            reseed_physical.discard_old(machine)
        reseed_quarantine.discard(self._target)  # before the mark, which says that there is something left to do
        drop_marker(self._target)
        restore_super_read_only(self._target, marker)

"""One run of a reseed over its stages, from the mark to the proof.

Each stage is written down on the replica itself (the marker) when it is done, and in the journal before and after. After
a crash the replica's own state decides where to go on (`reseed/stages.py`): a lost answer means to look, not to repeat.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from repwatch.drift.report import Verdict
from repwatch.errors import Refused, RepwatchError, ServerError, StatementRefused
from repwatch.flows import reseed_attach, reseed_physical
from repwatch.flows.hold import AlreadyPast, ApplierFailed, Held, PositionNotReached, hold, run_until
from repwatch.flows.reseed_clone import CloneFailed, clone, clone_status, disable_events, is_untouched
from repwatch.flows.reseed_donor import held
from repwatch.flows.reseed_errant import export_errant, read_errant
from repwatch.flows.reseed_left import doors_of
from repwatch.flows.reseed_load import Load, load
from repwatch.flows.reseed_marker import drop_marker, write_marker
from repwatch.flows.reseed_physical import Backup, Machine, left_machine, machine_of
from repwatch.flows.reseed_prove import prove, what_is_wrong
from repwatch.flows.reseed_settings import (
    is_held,
    put_back,
    restore_load_settings,
    restore_settings,
    restore_super_read_only,
)
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.flows.turn import take_turn
from repwatch.model.gtid import GtidSet
from repwatch.model.plan import Applied, Outcome, Plan
from repwatch.ports.database import Database, Timeouts
from repwatch.reseed import clone as clone_plan
from repwatch.reseed.choice import Choice, choose
from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import SETTINGS, Marker, Present, Stage, goes_on_from, marker_of_settings
from repwatch.sql import clone as clone_sql
from repwatch.sql import replication
from repwatch.sql import reseed as sql
from repwatch.sql.clone import CloneStatus
from repwatch.sql.replication import HOLD_DELAY
from repwatch.sql.rowcopy import loader_setup
from repwatch.sql.rowload import set_local_infile

_PATIENT = Timeouts(connect=10.0, read=3600.0)  # dropping a large schema, stopping an applier in a large transaction
_RUN_SECONDS = 600.0  # for a held replica to reach the snapshot
_PROOF = "proved"


class NeedsPerson(Exception):
    """The replica runs but is not proved; `str()` says what a person has to look at."""

    def __init__(self, text: str, verdict: str) -> None:
        super().__init__(text)
        self.verdict = verdict


class WroteMore(Refused):
    """Somebody wrote on the replica after its own transactions were saved."""


def in_turn(request: ReseedRequest, tools: Tools, sessions: ExitStack) -> Database:
    """A session on the target that is alone in changing it. Raises Refused."""
    target = sessions.enter_context(tools.connect(request.replica.server.writer, _PATIENT))
    if not take_turn(target, tools.clock):
        raise Refused(f"another repair or reseed of {target.server} runs", hint="wait for it to end")
    return target


class Run:
    """One run over the stages. `_marker` is what the replica says; it moves with each stage."""

    def __init__(self, request: ReseedRequest, tools: Tools, facts: Facts, sessions: ExitStack, target: Database) -> None:
        self._request = request
        self._tools = tools
        self._facts = facts
        self._sessions = sessions
        self._target = target
        self._prepare_session()
        self._channel = request.replica.channel
        self._notes: tuple[str, ...] = ()
        self._done: list[str] = []
        self._choice: Choice = choose(facts)
        donor = str(request.donor.server.endpoint.address) if request.donor else ""
        self._marker = replace(self._agreed(facts.target.marker or self._new_marker()), donor=donor)

    def _prepare_session(self) -> None:
        for statement in loader_setup(self._target.version):
            self._target.execute(statement)

    def _agreed(self, marker: Marker) -> Marker:
        """With the method of this run: what another one had done is not gone on from."""
        if (marker.method, marker.tables) == (self._choice.method, self._choice.tables):
            return marker
        if self._cloning and not marker.scheduler:  # else it is kept there since a clone was tried, and is ours by now
            scheduler, persisted = self._kept_by_server()
            marker = replace(marker, scheduler=scheduler, persisted=persisted)
        # The data is then a copy that is not proved: another method that is given up does not make it what it was.
        copied = marker.method is Method.PHYSICAL and marker.stage.rank >= Stage.LOADED.rank
        replaced = marker.replaced or copied
        return replace(marker, stage=Stage.MARKED, method=self._choice.method, tables=self._choice.tables, replaced=replaced)

    def _new_marker(self) -> Marker:
        """The settings as they are, or, if a run was killed between changing the first one and marking, as they were."""
        target, state = self._facts.target, self._facts.current
        scheduler, persisted = self._kept_by_server() if self._cloning else ("", "")
        marker = Marker(
            run=self._tools.clock.now().strftime("%Y%m%dT%H%M%S.%fZ"),
            stage=Stage.MARKED,
            source=str(self._facts.source.server.address),
            source_key=self._facts.source.server.key,
            channel=self._channel,
            before="",
            position="",
            delay=state.delay if state else 0,
            receiver=state is not None and state.receiver_running,
            applier=state is not None and state.applier_running,
            read_only=target.read_only,
            super_read_only=target.super_read_only,
            trust_creators=target.trust_creators,
            local_infile=target.local_infile,
            method=self._choice.method,
            tables=self._choice.tables,
            scheduler=scheduler,
            persisted=persisted,
        )
        left = marker_of_settings(self._tools.journal.entries())
        if left is None:
            return marker
        return replace(
            marker,
            read_only=left.read_only,
            super_read_only=left.super_read_only,
            scheduler=left.scheduler or marker.scheduler,
        )

    def _kept_by_server(self) -> tuple[str, str]:
        """event_scheduler, and what super_read_only is after a restart: a clone changes both."""
        found = self._facts.clone
        return (found.scheduler, found.persisted) if found else ("", "")

    def export(self, path: Path) -> None:
        """Save what only the target has, before anything is changed. Raises Refused."""
        with self._tools.connect(self._request.source.writer, _PATIENT) as source:
            exported = export_errant(source, self._target, self._tools.read_binlog, path)
        self._marker = replace(self._marker, exported=exported)
        self._notes = (f"saved to {path}: {exported or 'nothing'}",)

    def carry_out(self, plan: Plan) -> Applied:
        """All that is left to do."""
        try:
            self._stages()
            outcome, verdict, text = Outcome.DONE, Verdict.IDENTICAL.value, ""
        except NeedsPerson as trouble:
            outcome, verdict, text = Outcome.NEEDS_PERSON, trouble.verdict, str(trouble)
        except (ApplierFailed, AlreadyPast, PositionNotReached, WroteMore) as error:
            outcome, verdict, text = self._stopped(error)
        except RepwatchError as error:
            outcome, verdict = Outcome.FAILED, ""
            text = f"{error}; run it again with --resume"
        self._record("outcome", outcome=outcome.value, text=text)
        return Applied(
            plan=plan,
            outcome=outcome,
            verdict=verdict,
            done_steps=tuple(self._done),
            text="; ".join(filter(None, (text, *self._notes))),
        )

    def _stopped(self, error: RepwatchError) -> tuple[Outcome, str, str]:
        if self._marker.replaced or self._marker.stage.rank >= Stage.LOADING.rank:
            return Outcome.NEEDS_PERSON, "", f"replication stopped again after the copy: {error}"
        try:
            put_back(self._target, self._marker)
        except RepwatchError as trouble:
            return Outcome.FAILED, "", f"{error}; and the replica could not be let go ({trouble}): `repwatch reseed --cancel`"
        why = "" if isinstance(error, WroteMore) else "the replica could not run up to the snapshot, and "
        return Outcome.FAILED, "", f"{why}nothing was changed: {error}"

    def _record(self, event: str, **more: str) -> None:
        at = self._tools.clock.now().isoformat()
        self._tools.journal.append({"at": at, "run": self._marker.run, "event": event, **more})

    def _stages(self) -> None:
        self._tools.progress(Progress(phase=Phase.PREPARE))
        stage = self._where_it_stands()
        steps: tuple[tuple[Stage, Callable[[], None]], ...] = (
            (Stage.MARKED, self._mark),
            (Stage.QUIET, self._quieten),
            (Stage.LOADED, self._clone if self._cloning else self._copy_files if self._by_files else self._load),
            *(() if self._in_place else ((Stage.POSITIONED, self._position), (Stage.ATTACHED, self._attach))),
            (Stage.RELEASED, self._release),
            (Stage.CAUGHT_UP, self._catch_up),
        )
        for reached, step in steps:
            if stage is None or reached.rank > stage.rank or reached is Stage.MARKED:
                self._step(reached.value, step)
                self._advance(reached)
        self._step(_PROOF, self._prove)

    @property
    def _in_place(self) -> bool:
        """The replica stays where it is in its history, and only some tables are written."""
        return self._choice.method is Method.TABLE

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
        present = Present(executed=self._executed(), held=is_held(self._target, self._channel), cloned=cloned)
        stage = goes_on_from(self._marker, present, self._target.version.flavour)
        if self._marker.stage.rank < stage.rank:
            self._marker = replace(self._marker, position=cloned)
        self._marker = replace(self._marker, stage=stage)
        return stage

    def _step(self, name: str, step: Callable[[], None]) -> None:
        self._record("begin", step=name)
        step()
        self._record("done", step=name)
        self._done.append(name)

    def _advance(self, stage: Stage) -> None:
        if stage.rank > self._marker.stage.rank:
            self._marker = replace(self._marker, stage=stage)
            write_marker(self._target, self._marker)

    def _executed(self) -> str:
        return self._target.scalar(replication.executed(self._target.version)) or ""

    def _mark(self) -> None:
        if self._facts.target.marker is None:
            self._record(SETTINGS, marker=self._marker.text())
        if self._cloning:
            self._open_for_marker()
        elif self._facts.target.super_read_only:
            self._target.execute(sql.set_super_read_only(on=False))
        write_marker(self._target, self._marker)
        self._target.execute(sql.set_read_only(on=True))

    def _quieten(self) -> None:
        if self._in_place:
            before = Held(delay=self._marker.delay, receiver=self._marker.receiver, applier=self._marker.applier)
            hold(self._target, self._channel, before)
        elif is_held(self._target, self._channel) is not None:
            self._target.execute(replication.stop_channel(self._target.version, self._channel))
            self._target.execute(replication.set_delay(self._target.version, self._channel, HOLD_DELAY))
        self._marker = replace(self._marker, before=self._executed(), position="")
        if self._marker.exported is not None:
            self._see_that_all_is_exported()

    def _see_that_all_is_exported(self) -> None:
        """Somebody may have written until the server became read-only."""
        with self._tools.connect(self._request.source.writer, _PATIENT) as source:
            now, _ = read_errant(source, self._target)
        if now not in ("", self._marker.exported):
            raise WroteMore(f"{self._target.server} wrote more after its own transactions were saved: {now}")

    def _open_for_marker(self) -> None:
        """Leave read-only for all but us; events of a clone are enabled, and would write as soon as anybody may."""
        if self._target.scalar(clone_sql.SCHEDULER) == "ON":
            self._target.execute(clone_sql.STOP_SCHEDULER)
        self._target.execute(sql.set_read_only(on=True))
        self._target.execute(sql.set_super_read_only(on=False))

    def _begin_at(self, position: str) -> None:
        """The snapshot stands; from here on data is replaced."""
        if self._in_place:
            run_until(self._target, self._channel, position, self._tools.clock, _RUN_SECONDS)
            self._marker = replace(self._marker, before=self._executed())
        self._marker = replace(self._marker, replaced=True)
        self._advance(Stage.LOADING)
        self._target.execute(sql.set_trust_creators(on=True))
        if self._choice.method is Method.LOGICAL and not self._marker.local_infile:
            with suppress(StatementRefused):  # MariaDB wants SUPER for it; without it rows are inserted
                self._target.execute(set_local_infile(on=True))

    def _hold_donor(self) -> AbstractContextManager[None]:
        donor = self._request.donor
        assert donor is not None
        return held(donor, self._tools.holds, self._tools.connect, self._tools.clock, self._least())

    def _least(self) -> str:
        """What a donor must have: tables are put right at its position, which may not lie behind the replica's."""
        if not self._in_place:
            return ""
        before, own = self._marker.before, self._facts.target.errant
        if self._target.version.is_mariadb or not own:
            return before  # gtid_slave_pos holds nothing that the replica wrote itself
        return str(GtidSet.parse(before).difference(GtidSet.parse(own)))

    def _load(self) -> None:
        job = Load(
            source=self._request.copied.writer,
            writer=self._target,
            connect=self._tools.connect,
            clock=self._tools.clock,
            progress=self._tools.progress,
            keep=self._facts.owns_schema,
            method=self._choice.method,
            tables=frozenset(self._choice.tables),
            donor=self._hold_donor if self._request.donor else None,
            begin=self._begin_at,
        )
        try:
            loaded = load(job)
        finally:
            with suppress(ServerError):  # it may be gone; then the end of the next run puts it back
                restore_load_settings(self._target, self._marker)
        if self._executed() != self._marker.before:
            raise ServerError("something was applied or written while the data was copied", server=self._target.server)
        self._marker = replace(self._marker, position=loaded.position)
        self._record("written", rows=str(loaded.rows), position=loaded.position)
        self._notes += tuple(f"not made, because it is broken on the source too: {text}" for text in loaded.broken)

    def _clone(self) -> None:
        """The statement removes the marker; what it says is written down before, for whoever goes on from here."""
        login = self._request.clone_login
        if login is None:
            raise Refused("there is no account to clone with")
        before, replaced = clone_status(self._target), self._marker.replaced
        self._marker = replace(self._marker, replaced=True)
        self._advance(Stage.LOADING)
        self._record(clone_plan.BEGUN, **clone_plan.entry_of(self._marker, before.begun))
        self._target.execute(clone_sql.PERSIST_READ_ONLY)
        self._target.execute(sql.set_super_read_only(on=False))
        try:
            position = clone(doors_of(self._request, self._tools), login, before)
        except CloneFailed:
            with suppress(RepwatchError):
                self._mark_after_failure(before, replaced=replaced)
            raise
        self._reopen()
        self._open_for_marker()
        self._marker = replace(self._marker, position=position)
        self._record("written", position=position)

    def _mark_after_failure(self, before: CloneStatus, *, replaced: bool) -> None:
        """The marker may be gone with the data. A clone that is refused before it begins has left everything."""
        self._reopen()
        self._open_for_marker()
        if is_untouched(self._target, before):
            self._marker = replace(self._marker, stage=Stage.QUIET, replaced=replaced)
        write_marker(self._target, self._marker)

    def _reopen(self) -> None:
        """The server has, or may have, restarted. If not, the old session has the lock."""
        self._target.close()
        self._target = in_turn(self._request, self._tools, self._sessions)
        self._prepare_session()

    def _copy_files(self) -> None:
        """The copy says LOADED of itself before its server starts for the first time; the old data goes on saying LOADING."""
        machine = self._machine()
        self._record("folder", data=machine.folders.data)
        self._advance(Stage.LOADING)

        def loaded(position: str) -> Mapping[str, str]:
            return replace(self._marker, stage=Stage.LOADED, position=position).entries()

        giving = self._facts.hosts.source_host if self._facts.hosts else None
        size = giving.used if giving else 0
        backup = Backup(source=self._request.source, run=self._marker.run, size=size, marker=loaded)
        position = reseed_physical.make_copy(machine, backup, self._step)
        self._marker = replace(self._marker, position=position)
        self._record("written", position=position)
        self._target.close()
        reseed_physical.put_in_place(machine, self._step)
        self._target = in_turn(self._request, self._tools, self._sessions)
        self._target.execute(sql.set_read_only(on=True))
        self._prepare_session()

    def _machine(self) -> Machine:
        host = self._facts.hosts.target_host if self._facts.hosts else None
        assert host is not None  # else the plan has a refusal
        return machine_of(self._request.replica.server, self._tools, host.folders)

    def _position(self) -> None:
        self._tools.progress(Progress(phase=Phase.ATTACH))
        if self._cloning:
            reseed_attach.forget_others(self._target, self._channel)
            disable_events(self._target)
            return
        if is_held(self._target, self._channel) is not None:
            self._target.execute(replication.stop_channel(self._target.version, self._channel))
        reseed_attach.set_position(self._target, self._marker.position, log_bin=self._facts.target.server.log_bin)

    def _attach(self) -> None:
        if is_held(self._target, self._channel) is not None:
            self._target.execute(replication.stop_channel(self._target.version, self._channel))
        # A channel lies in the data folder, so files bring none, or that of the replica that was cloned, login and all.
        kept = self._facts.follows_source and not (self._by_files or self._cloning)
        login = None if kept else self._request.login
        reseed_attach.attach(self._target, self._channel, login)

    def _release(self) -> None:
        reseed_attach.start(self._target, self._channel)

    def _catch_up(self) -> None:
        with self._tools.connect(self._request.source.endpoint) as source:
            reseed_attach.catch_up(source, self._target, self._channel, self._tools.clock, self._tools.progress)

    def _prove(self) -> None:
        report = prove(self._request, self._choice.tables, self._tools.connect, self._tools.clock, self._tools.progress)
        if report.verdict is not Verdict.IDENTICAL:
            text = f"the replica runs but is not proved: {what_is_wrong(report)}; --resume compares it again"
            raise NeedsPerson(text, report.verdict.value)
        reseed_attach.restore_delay(self._target, self._channel, self._marker.delay)
        restore_settings(self._target, self._marker)
        # Also after another method: what an interrupted reseed by files put aside is not to be taken for the data of a later one.
        if machine := self._machine() if self._by_files else left_machine(self._request.replica.server, self._tools):
            reseed_physical.discard_old(machine)
        drop_marker(self._target)
        restore_super_read_only(self._target, self._marker)

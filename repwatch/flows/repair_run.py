"""Carries a repair out: hold the applier, snapshot of the source, run up to it, change the rows, let go, prove.

Each stage is in the journal before what it announces or after what it tells, so that a run that was killed is finished by the
next: it holds the applier again, looks at the rows as they are then, and changes what is still wrong. Nothing is done twice,
because what is done is derived from what the server shows.
"""

from collections.abc import Mapping
from contextlib import ExitStack, suppress

from repwatch.drift.repair import images, plan_rows
from repwatch.drift.repair_plan import PlannedTable, statement
from repwatch.drift.repair_preconditions import definition_refusals
from repwatch.drift.repair_scope import Scope
from repwatch.drift.repair_stages import Mode, Phase, Stage, Unfinished, unfinished
from repwatch.drift.report import DriftReport, Verdict
from repwatch.drift.undo import Undo, UndoRow, write
from repwatch.errors import Refused, RepwatchError
from repwatch.flows import drift, repair_rows, reseed_attach
from repwatch.flows.drift import CheckRequest
from repwatch.flows.hold import ApplierFailed, Held, hold, look, release, run_until
from repwatch.flows.repair import PATIENT, Proposal, RepairRequest, Tools, bound_to, look_at_servers
from repwatch.flows.repair_change import Change, Planned, change_rows
from repwatch.flows.repair_rows import Definitions
from repwatch.flows.reseed_donor import held
from repwatch.flows.reseed_marked import NotOurs
from repwatch.flows.reseed_prove import what_is_wrong
from repwatch.flows.snapshot import Snapshot, take_held_snapshot, take_snapshot
from repwatch.flows.turn import take_turn
from repwatch.model.plan import Applied, Outcome
from repwatch.model.schema import Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.ports.database import Database
from repwatch.reseed.donor import donor_refusals, least_position
from repwatch.sql import repair as sql
from repwatch.sql import replication, reseed

_RUN_SECONDS = 600.0  # for the replica to reach the snapshot
_CHECKS = 3  # rows that were too hot in one check are settled in the next


def carry_out(request: RepairRequest, tools: Tools, proposal: Proposal) -> Applied:
    """Do what was agreed to, or finish what was interrupted. Raises Refused before the first change of anything."""
    if proposal.plan.refusals:
        raise Refused("; ".join(f"{refusal.code}: {refusal.summary}" for refusal in proposal.plan.refusals))
    tools = bound_to(tools, request.replica.server, proposal.scope.target_key)
    with tools.connect(request.replica.server.writer, PATIENT) as control:
        control.execute(sql.keep_alive())
        begin_turn(control, tools, proposal.pending)
        return _Run(request, tools, proposal, control).carry_out()


def begin_turn(control: Database, tools: Tools, pending: Unfinished | None) -> None:
    """One repair or reseed of a server at a time; the lock lives as long as the session.

    Raises Refused too where another one has ended or left something unfinished since the journal said `pending`: to act on
    that would hold the replica with no record of it, or bury the record of how it was.
    """
    if not take_turn(control, tools.clock):
        raise Refused(f"another repair or reseed of {control.server} runs", hint="wait for it to end")
    if unfinished(tools.journal.entries()) != pending:
        raise Refused(f"another repair of {control.server} ran meanwhile", hint="run it again")


class _Run:
    """One run. `_held` is the channel as it was before, once that is in the journal."""

    def __init__(self, request: RepairRequest, tools: Tools, proposal: Proposal, control: Database) -> None:
        self._request = request
        self._tools = tools
        self._proposal = proposal
        self._scope: Scope = proposal.scope
        self._control = control
        self._channel = request.replica.channel
        self._held: Held | None = None
        self._pending = proposal.pending
        self._run = self._pending.run if self._pending else tools.clock.now().strftime("%Y%m%dT%H%M%S.%fZ")
        self._super_read_only = (
            self._pending.super_read_only if self._pending else bool(proposal.replica and proposal.replica.super_read_only)
        )
        self._undo_file = self._pending.undo_file if self._pending else ""
        self._done: list[str] = []
        self._rows = 0

    def carry_out(self) -> Applied:
        """All that is left to do."""
        if self._pending is not None and self._pending.mode is Mode.UNDO:
            return self._end_undo()
        try:
            self._change_and_let_go()
        except BaseException as trouble:
            left = self._let_go_after(trouble)
            if not isinstance(trouble, RepwatchError) or self._held is None:
                raise
            return self._failed(trouble, left)
        return self._prove()

    def _end_undo(self) -> Applied:
        """An undo is one transaction and holds nothing: it was done or not, and only the server's protection may be missing."""
        if self._super_read_only:
            self._control.execute(reseed.set_super_read_only(on=True))
        self._record(Stage.ENDED, outcome=Outcome.FAILED.value)
        return self._applied(Outcome.FAILED, "", "an interrupted undo was ended: run it again, it tells whether it was done")

    def _record(self, stage: Stage, **more: str) -> None:
        at = self._tools.clock.now().isoformat()
        self._tools.journal.append({"at": at, "run": self._run, "stage": stage.value, **more})
        self._done.append(stage.value)

    def _change_and_let_go(self) -> None:
        self._begin()
        if self._pending is None or not self._pending.committed:
            self._hold()
            self._change()
        if self._pending is None or self._pending.stage is not Stage.RELEASED:
            self._put_back()
            self._record(Stage.RELEASED)

    def _begin(self) -> None:
        if self._pending is not None:
            self._held = Held.from_entry(self._pending.held)
            return
        held = look(self._control, self._channel)
        self._record(
            Stage.BEGUN,
            mode=Mode.REPAIR.value,
            scope=self._scope.to_json(),
            super_read_only=str(int(self._super_read_only)),
            **held.entry(),
        )
        self._held = held

    def _hold(self) -> None:
        self._tools.progress(Phase.HOLD)
        hold(self._control, self._channel, self._held)
        self._record(Stage.HELD)

    def _change(self) -> None:
        self._tools.progress(Phase.SNAPSHOT)
        keys = repair_rows.keys_of(self._scope)
        with self._snapshot(list(keys)) as snapshot:
            self._tools.progress(Phase.RUN)
            run_until(self._control, self._channel, snapshot.position, self._tools.clock, _RUN_SECONDS)
            self._record(Stage.AT_POSITION, position=snapshot.position)
            self._tools.progress(Phase.ROWS)
            replica_tables = repair_rows.check_unchanged(self._scope, self._control)
            definitions = repair_rows.read_definitions(self._control, replica_tables)
            (reader,) = snapshot.sessions
            reader.execute(sql.READ_RAW)
            wanted = repair_rows.read_all(reader, definitions.tables, keys)
            self._check_source(replica_tables)
        if self._super_read_only:
            self._control.execute(reseed.set_super_read_only(on=False))
        change = Change(
            definitions=definitions,
            keys=keys,
            wanted=wanted,
            announce=lambda planned: self._announce(planned, definitions, snapshot.position),
            committing=lambda: self._record(Stage.COMMITTING),
        )
        planned = change_rows(self._tools.connect, self._request.replica.server.writer, change)
        self._rows = len({(table.table.name, row.key) for table in planned for row in table.changes})
        self._record(Stage.COMMITTED, rows=str(self._rows))

    def _snapshot(self, tables: list[TableName]) -> Snapshot:
        """Of the source; or of a donor, which is held while it is taken, at a position that the replica is not past."""
        donor, tools = self._request.donor, self._tools
        if donor is None:
            return take_snapshot(tools.connect, self._request.source.writer, tables, clock=tools.clock)
        with ExitStack() as opened:
            with held(donor, tools.holds, tools.connect, tools.clock, self._least()):
                snapshot = opened.enter_context(take_held_snapshot(tools.connect, donor.server.writer, clock=tools.clock))
            opened.pop_all()
        return snapshot

    def _least(self) -> str:
        """Raises Refused where the donor may not stand for the source any more, be it since the plan or since an interruption."""
        facts = look_at_servers(self._request, self._tools)
        refusals = tuple(donor_refusals(facts))
        if facts.donor and self._scope.donor_key != facts.donor.data.server.key:
            raise Refused(f"{self._scope.donor} is another server than when the plan was made", hint="run it again")
        if refusals:
            raise Refused("; ".join(f"{refusal.code}: {refusal.summary}" for refusal in refusals))
        executed = self._control.scalar(replication.executed(self._control.version)) or ""
        return least_position(self._control.version.flavour, executed, facts.target.errant)

    def _check_source(self, replica_tables: Mapping[TableName, Table]) -> None:
        """After the rows were read: an old read view shows a column that was added instantly since, without an error."""
        with self._tools.connect(self._request.copied.writer, PATIENT) as source:
            source_tables = repair_rows.read_tables(source, replica_tables)
        refusals = definition_refusals(source_tables, replica_tables)
        if refusals or source_tables.keys() != replica_tables.keys():
            names = "; ".join(refusal.summary for refusal in refusals) or "a table was dropped"
            raise Refused(f"the definitions changed on the source: {names}", hint="run it again when the change has replicated")

    def _announce(self, planned: Planned, definitions: Definitions, position: str) -> None:
        undo = undo_of(self._scope, planned, position)
        text = write(undo, undo_statements(planned, definitions, self._control.version))
        self._undo_file = self._tools.records.save(f"undo-{self._run}-{self._attempt()}.sql", text)
        self._record(Stage.UNDO_WRITTEN, undo_file=self._undo_file)
        self._record(Stage.CHANGING)

    def _attempt(self) -> int:
        """A run that is finished by another has changes of its own to undo: a file is never overwritten."""
        entries = self._tools.journal.entries()
        return 1 + sum(entry["run"] == self._run and entry["stage"] == Stage.UNDO_WRITTEN for entry in entries)

    def _put_back(self) -> None:
        """Over a connection of its own, as the other may be what failed; but where the address has moved only that is left."""
        if self._held is None:
            return
        try:
            with self._tools.connect(self._request.replica.server.writer, PATIENT) as db:
                self._let_go(db, self._held)
        except NotOurs as moved:
            try:
                self._let_go(self._control, self._held)
            except RepwatchError as error:
                raise NotOurs(f"{moved}; that one is still held ({error})", hint=self._by_hand(self._held)) from None

    def _let_go(self, db: Database, before: Held) -> None:
        if self._super_read_only:
            db.execute(reseed.set_super_read_only(on=True))
        release(db, self._channel, before)

    def _by_hand(self, before: Held) -> str:
        """How a person lets go of a replica that does not come back to its address."""
        free = replication.set_delay(self._control.version, self._channel, before.delay)
        protect = f", {reseed.set_super_read_only(on=True)}" if self._super_read_only else ""
        return f"if it does not come back to its address: stop its replication, run {free}{protect}, and start what ran"

    def _let_go_after(self, trouble: BaseException) -> RepwatchError | None:
        """Replication as it was. What hindered it is the result; then the journal stays open, for the next run to finish."""
        if self._held is None:
            return None
        try:
            self._put_back()
        except RepwatchError as error:
            return error
        with suppress(RepwatchError):  # else the next run holds again, finds what is wrong, and ends
            self._record(Stage.ENDED, outcome=Outcome.FAILED.value, text=str(trouble))
        return None

    def _failed(self, trouble: RepwatchError, left: RepwatchError | None) -> Applied:
        text = f"{trouble}; {trouble.hint}" if trouble.hint else str(trouble)
        if isinstance(trouble, ApplierFailed):
            text = f"the applier stopped on its way to the snapshot ({trouble}); `repwatch reseed` puts the replica right"
        if left is not None:
            text += f"; and replication could not be let go ({left}): run `repwatch repair` again, it finishes that first"
            text += f"; {left.hint}" if isinstance(left, NotOurs) else ""
        return self._applied(Outcome.FAILED, "", text)

    def _applied(self, outcome: Outcome, verdict: str, text: str) -> Applied:
        return Applied(
            plan=self._proposal.plan,
            outcome=outcome,
            verdict=verdict,
            done_steps=tuple(self._done),
            text=text,
            undo_file=self._undo_file,
        )

    def _prove(self) -> Applied:
        """The rows are right and replication goes on; what is left is to show it."""
        verdict = ""
        try:
            report = self._check()
            verdict = report.verdict.value
            outcome = Outcome.DONE if report.verdict is Verdict.IDENTICAL else Outcome.FAILED
            text = self._changed() + ("" if outcome is Outcome.DONE else f", but {what_is_wrong(report)}")
        except RepwatchError as error:
            outcome, text = Outcome.FAILED, f"{self._changed()}, but the check afterwards failed: {error}"
        with suppress(RepwatchError):
            self._record(Stage.ENDED, outcome=outcome.value, verdict=verdict)
        return self._applied(outcome, verdict, text)

    def _changed(self) -> str:
        if self._pending is not None:
            return f"the interrupted repair is finished; {self._rows} of its rows were still to be changed"
        return f"rows changed: {self._rows}"

    def _check(self) -> DriftReport:
        asked = self._request
        request = CheckRequest(source=asked.source, replicas=(asked.replica,), reference=asked.donor)
        tools = self._tools
        tools.progress(Phase.CATCH_UP)
        with tools.connect(self._request.source.endpoint) as source:
            reseed_attach.catch_up(source, self._control, self._channel, tools.clock, lambda _: None)
        for _ in range(_CHECKS):
            tools.progress(Phase.VERIFY)
            report = drift.verify_tables(request, list(self._scope.fingerprints), connect=tools.connect, clock=tools.clock)
            if report.verdict is not Verdict.UNDECIDED:
                break
        return report


def undo_of(scope: Scope, planned: Planned, position: str) -> Undo:
    """What takes these changes back."""
    rows = (
        UndoRow(table=table.table.name, key=key, before=before, after=after)
        for table in planned
        for key, before, after in images(table.changes)
    )
    touched = {table.table.name for table in planned if table.changes}
    return Undo(
        target=scope.target,
        target_key=scope.target_key,
        plan_hash=scope.plan_hash,
        position=position,
        fingerprints={name: mark for name, mark in scope.fingerprints.items() if name in touched},
        rows=tuple(rows),
    )


def undo_statements(planned: Planned, definitions: Definitions, version: ServerVersion) -> list[str]:
    """The SQL of the way back."""
    statements = []
    for table in planned:
        wanted, actual = {}, {}
        for key, before, after in images(table.changes):
            if before is not None:
                wanted[key] = before
            if after is not None:
                actual[key] = after
        back = PlannedTable(table=table.table, changes=plan_rows(definitions.rules[table.table.name], wanted, actual))
        statements += [statement(back.table, change, version) for change in back.changes]
    return statements

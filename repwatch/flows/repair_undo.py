"""Takes a repair back, out of its undo file: the rows become what they were, if they still are what the repair made of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from repwatch.drift.repair import Rows, TriggersInTheWay
from repwatch.drift.repair_plan import row_steps, show_key
from repwatch.drift.repair_preconditions import server_refusals
from repwatch.drift.repair_scope import Scope, ScopeRow, fingerprint
from repwatch.drift.repair_stages import Mode, Phase, Stage, Unfinished, unfinished
from repwatch.drift.undo import Undo
from repwatch.errors import Refused, RepwatchError
from repwatch.flows import repair_rows
from repwatch.flows.repair import PATIENT, RepairRequest, Tools, bound_to, look_at_servers
from repwatch.flows.repair_change import Change, change_rows
from repwatch.flows.repair_rows import Definitions
from repwatch.flows.repair_run import begin_turn
from repwatch.model.plan import Applied, Outcome, Plan, Refusal, Step
from repwatch.model.schema import TableName
from repwatch.ports.database import Database
from repwatch.reseed.facts import Facts
from repwatch.sql import repair as sql
from repwatch.sql import reseed
from repwatch.sql.keyrange import Key

METHOD = "row-undo"
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoProposal:
    """A plan with what it takes to run it. `done` is true if the rows are what they were already."""

    plan: Plan
    undo: Undo
    super_read_only: bool
    source: str
    source_key: str
    pending: Unfinished | None = None
    done: bool = False
    definitions: Definitions = field(default_factory=lambda: Definitions(tables={}, rules={}), repr=False)


def propose_undo(request: RepairRequest, tools: Tools, undo: Undo) -> UndoProposal:
    """Look whether it can be taken back, and how. Changes nothing. Raises ServerError, StoreError."""
    tools.progress(Phase.LOOK)
    facts = look_at_servers(request, tools)
    pending = unfinished(tools.journal.entries())
    refusals = [*server_refusals(facts, own_hold=True), *_identity(facts, undo, pending)]
    proposal = UndoProposal(
        plan=_plan(undo, refusals, ()),
        undo=undo,
        super_read_only=pending.super_read_only if pending else facts.target.super_read_only,
        source=str(facts.source.server.address),
        source_key=facts.source.server.key,
        pending=pending,
    )
    if refusals:
        return proposal
    with tools.connect(request.replica.server.writer, PATIENT) as db:
        return _look_at_rows(db, proposal)


def _identity(facts: Facts, undo: Undo, pending: Unfinished | None) -> list[Refusal]:
    refusals = []
    if undo.target_key != facts.target.server.key:
        refusals.append(
            Refusal(
                code="other-server",
                summary=f"the file is of {undo.target} with identity {undo.target_key}, "
                f"and {facts.target.server.address} has {facts.target.server.key}",
            )
        )
    if pending is not None and pending.mode is Mode.REPAIR:
        refusals.append(
            Refusal(code="unfinished", summary="a repair was interrupted: `repwatch repair --apply` finishes it first")
        )
    return refusals


def _look_at_rows(db: Database, proposal: UndoProposal) -> UndoProposal:
    undo = proposal.undo
    tables = repair_rows.read_tables(db, undo.fingerprints)
    redefined = [
        str(name) for name, mark in sorted(undo.fingerprints.items()) if name not in tables or fingerprint(tables[name]) != mark
    ]
    if redefined:
        refusal = Refusal(code="schema-differs", summary=f"redefined since the repair: {', '.join(redefined)}")
        return replace(proposal, plan=_plan(undo, [refusal], ()))
    definitions = repair_rows.read_definitions(db, tables)
    db.execute(sql.READ_RAW)
    before, after = _images(undo)
    actual = repair_rows.read_all(db, definitions.tables, _keys(undo))
    if actual == before:
        plan = replace(
            _plan(undo, [], ()), reason=f"nothing to do: the {len(undo.rows)} rows are what they were before the repair"
        )
        return replace(proposal, plan=plan, definitions=definitions, done=True)
    refusals = _changed_since(definitions, after, actual)
    steps: list[Step] = []
    try:
        for planned in repair_rows.plan_tables(definitions, before, actual):
            steps += row_steps(planned, undo.target, db.version)
    except TriggersInTheWay as trouble:
        refusals.append(Refusal(code="triggers", summary=str(trouble)))
    return replace(proposal, plan=_plan(undo, refusals, tuple(steps)), definitions=definitions)


def _changed_since(definitions: Definitions, after: Mapping[TableName, Rows], actual: Mapping[TableName, Rows]) -> list[Refusal]:
    bad = [
        f"{name} {show_key(definitions.tables[name], key)}"
        for name, rows in sorted(after.items())
        for key in sorted(rows.keys() | actual[name].keys())
        if rows.get(key) != actual[name].get(key)
    ]
    if not bad:
        return []
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    summary = f"{len(bad)} rows are no longer what the repair made of them: {'; '.join(bad[:_SHOWN])}{more}"
    return [Refusal(code="rows-changed", summary=summary)]


def _plan(undo: Undo, refusals: list[Refusal], steps: tuple[Step, ...]) -> Plan:
    rows = "\0".join(f"{row.table} {row.key}" for row in undo.rows)
    marked = hashlib.sha256(f"{METHOD}\0{undo.target}\0{undo.target_key}\0{undo.plan_hash}\0{rows}".encode()).hexdigest()[:16]
    commit = Step(what="compare the rows with the file and commit", where=undo.target, statement=sql.COMMIT, reversible=True)
    return Plan(
        method=METHOD,
        reason=f"{len(undo.rows)} rows as they were before the repair at {undo.position}",
        plan_hash=marked,
        refusals=tuple(refusals),
        steps=(*steps, commit) if steps else (),
    )


def carry_out_undo(request: RepairRequest, tools: Tools, proposal: UndoProposal) -> Applied:
    """Do it. Raises Refused before the first change."""
    if proposal.plan.refusals:
        raise Refused("; ".join(f"{refusal.code}: {refusal.summary}" for refusal in proposal.plan.refusals))
    tools = bound_to(tools, request.replica.server, proposal.undo.target_key)
    with tools.connect(request.replica.server.writer, PATIENT) as control:
        begin_turn(control, tools, proposal.pending)
        return _UndoRun(request, tools, proposal, control).carry_out()


class _UndoRun:
    """One transaction. Replication runs meanwhile: its row locks keep the applier off these rows for as long as it takes."""

    def __init__(self, request: RepairRequest, tools: Tools, proposal: UndoProposal, control: Database) -> None:
        self._request = request
        self._tools = tools
        self._proposal = proposal
        self._control = control
        now = tools.clock.now().strftime("%Y%m%dT%H%M%S.%fZ")
        self._run = proposal.pending.run if proposal.pending else now
        self._done: list[str] = []

    def carry_out(self) -> Applied:
        """All of it."""
        self._record(
            Stage.BEGUN,
            mode=Mode.UNDO.value,
            scope=self._scope().to_json(),
            super_read_only=str(int(self._proposal.super_read_only)),
        )
        outcome, text = Outcome.FAILED, ""
        try:
            count = self._change()
            outcome, text = Outcome.DONE, f"{count} rows are what they were before the repair"
        except RepwatchError as error:
            text = f"{error}; {error.hint}" if error.hint else str(error)
        finally:
            if self._proposal.super_read_only:
                self._control.execute(reseed.set_super_read_only(on=True))
            self._record(Stage.ENDED, outcome=outcome.value, text=text)
        return Applied(plan=self._proposal.plan, outcome=outcome, verdict="", done_steps=tuple(self._done), text=text)

    def _record(self, stage: Stage, **more: str) -> None:
        self._tools.journal.append({"at": self._tools.clock.now().isoformat(), "run": self._run, "stage": stage.value, **more})
        self._done.append(stage.value)

    def _scope(self) -> Scope:
        proposal, undo = self._proposal, self._proposal.undo
        return Scope(
            source=proposal.source,
            source_key=proposal.source_key,
            target=undo.target,
            target_key=undo.target_key,
            channel=self._request.replica.channel,
            fingerprints=undo.fingerprints,
            rows=tuple(ScopeRow(row.table, row.key, "undo") for row in undo.rows),
        )

    def _change(self) -> int:
        self._tools.progress(Phase.ROWS)
        if self._proposal.super_read_only:
            self._control.execute(reseed.set_super_read_only(on=False))
        undo = self._proposal.undo
        before, after = _images(undo)
        change = Change(
            definitions=self._proposal.definitions,
            keys=_keys(undo),
            wanted=before,
            announce=lambda _: self._record(Stage.CHANGING),
            committing=lambda: self._record(Stage.COMMITTING),
            check=lambda actual: self._forbid_if_changed(after, actual),
        )
        change_rows(self._tools.connect, self._request.replica.server.writer, change)
        self._record(Stage.COMMITTED, rows=str(len(undo.rows)))
        return len(undo.rows)

    def _forbid_if_changed(self, after: Mapping[TableName, Rows], actual: Mapping[TableName, Rows]) -> None:
        for refusal in _changed_since(self._proposal.definitions, after, actual):
            raise Refused(refusal.summary)


def _keys(undo: Undo) -> dict[TableName, list[Key]]:
    keys: dict[TableName, list[Key]] = {}
    for row in undo.rows:
        keys.setdefault(row.table, []).append(row.key)
    return keys


def _images(undo: Undo) -> tuple[dict[TableName, Rows], dict[TableName, Rows]]:
    """The rows before and after the repair, by table; a row that was not there has no entry."""
    before: dict[TableName, Rows] = {}
    after: dict[TableName, Rows] = {}
    for name in {row.table for row in undo.rows}:
        rows = [row for row in undo.rows if row.table == name]
        before[name] = {row.key: row.before for row in rows if row.before is not None}
        after[name] = {row.key: row.after for row in rows if row.after is not None}
    return before, after

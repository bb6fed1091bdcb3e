"""`repair`: find the wrong rows, plan their change, agree on it. `repair_run` carries it out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from repwatch.drift.repair import TriggersInTheWay
from repwatch.drift.repair_plan import Donor, PlannedTable, Replica, count_rows, make_plan
from repwatch.drift.repair_preconditions import ROW_CAP, Drifted, bad_tables, drift_refusals, server_refusals
from repwatch.drift.repair_scope import Scope, ScopeRow, fingerprint, rows_of_report
from repwatch.drift.repair_stages import Mode, Phase, Unfinished, unfinished
from repwatch.drift.report import ReplicaReport, Verdict
from repwatch.errors import Refused, ServerError, StoreError
from repwatch.flows import drift, repair_rows
from repwatch.flows.drift import CheckRequest
from repwatch.flows.reseed_feeders import glanced, read_feeders
from repwatch.flows.reseed_marked import check_identity
from repwatch.flows.reseed_others import glance_at_all
from repwatch.flows.reseed_survey import ReseedRequest, survey
from repwatch.model.endpoint import Endpoint
from repwatch.model.plan import Plan, Refusal
from repwatch.model.schema import Table, TableName
from repwatch.model.topology import ClusterSpec, ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.ports.journal import Journal
from repwatch.ports.records import Records
from repwatch.reseed.donor import donor_refusals
from repwatch.reseed.facts import Facts, Feeder
from repwatch.reseed.feeders import feeding, ignorant_donor
from repwatch.sql import repair as sql

PATIENT = Timeouts(connect=10.0, read=600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest:
    """What is asked for. `others` are the further servers of the inventory: none of them may replicate from the replica."""

    source: ServerSpec
    replica: ReplicaTarget
    others: tuple[ServerSpec, ...] = ()
    tables: tuple[str, ...] = ()  # shell wildcards on db.table; empty: all
    exclude: tuple[str, ...] = ()
    donor: ReplicaTarget | None = None  # a trusted replica of the source: its rows count, and the source's are not read
    inventory: ClusterSpec | None = None  # a cluster whose source the configuration names; None: AUTO, or there is none

    @property
    def copied(self) -> ServerSpec:
        """The server whose rows are taken."""
        return self.donor.server if self.donor else self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The doors that a repair goes through. `journal` and `records` belong to this one replica, `holds` to all."""

    connect: Connect
    clock: Clock
    journal: Journal
    records: Records
    holds: Records  # what is held of a replica that is copied from
    progress: Callable[[Phase], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan with what it takes to run it. `pending` is an interrupted run that is finished first; `delay` in seconds."""

    plan: Plan
    scope: Scope
    replica: Replica | None = None  # None where a refusal left it unread
    verdict: Verdict | None = None  # of the check, None if none was made
    pending: Unfinished | None = None
    tables: tuple[PlannedTable, ...] = field(default=(), repr=False)

    @property
    def nothing_to_do(self) -> bool:
        """True if the check found the replica right."""
        return not self.plan.refusals and not self.scope.rows and self.pending is None


def propose(request: RepairRequest, tools: Tools) -> Proposal:
    """Look, check for drift, and plan. Changes nothing on any server. Raises ServerError, StoreError, UsageError."""
    tools.progress(Phase.LOOK)
    pending = unfinished(tools.journal.entries())
    if pending is not None:
        return _finish(request, tools, pending)
    facts = look_at_servers(request, tools)
    refusals = (*server_refusals(facts, own_hold=False), *donor_refusals(facts), *ignorant_donor(facts))
    empty = scope_of(facts, {}, ())
    if refusals:
        return Proposal(plan=make_plan(empty, replica_of(facts), (), refusals, "not looked for wrong rows"), scope=empty)
    tools.progress(Phase.CHECK)
    (report,) = drift.check(
        CheckRequest(
            source=request.source,
            replicas=(request.replica,),
            tables=request.tables,
            exclude=request.exclude,
            max_differences=ROW_CAP + 1,
            reference=request.donor,
        ),
        connect=tools.connect,
        clock=tools.clock,
    ).replicas
    return _plan_report(request, tools, facts, report)


def look_at_servers(request: RepairRequest, tools: Tools) -> Facts:
    """Identity, role and replication of both servers, and of the donor. Raises ServerError."""
    asked = ReseedRequest(
        source=request.source,
        replica=request.replica,
        others=request.others,
        donor=request.donor,
        inventory=request.inventory,
    )
    return survey(asked, tools.connect, tools.clock)


def bound_to(tools: Tools, replica: ServerSpec, key: str) -> Tools:
    """These tools, with every session on the replica seen to lead to the server with that `ServerFacts.key`.

    A run opens several, and its address may lead to another server meanwhile, which may be a source by then.
    """

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        db = tools.connect(endpoint, timeouts)
        try:
            if endpoint in (replica.writer, replica.endpoint):
                check_identity(db, key)
        except BaseException:
            db.close()
            raise
        return db

    return replace(tools, connect=connect)


def scope_of(facts: Facts, tables: Mapping[TableName, Table], rows: tuple[ScopeRow, ...]) -> Scope:
    """The scope of these rows on these servers."""
    source, target = facts.source.server, facts.target.server
    donor = facts.donor.data.server if facts.donor else None
    return Scope(
        source=str(source.address),
        source_key=source.key,
        target=str(target.address),
        target_key=target.key,
        channel=facts.channel,
        fingerprints={name: fingerprint(table) for name, table in tables.items()},
        rows=rows,
        donor=str(donor.address) if donor else "",
        donor_key=donor.key if donor else "",
    )


def replica_of(facts: Facts) -> Replica:
    """What of the replica the steps depend on."""
    state, donor = facts.current, facts.donor
    return Replica(
        version=facts.target.server.version,
        channel=facts.channel,
        delay=state.delay if state and not state.held else 0,
        super_read_only=facts.target.super_read_only,
        donor=Donor(version=donor.data.server.version, channel=donor.channel) if donor else None,
    )


def _plan_report(request: RepairRequest, tools: Tools, facts: Facts, report: ReplicaReport) -> Proposal:
    names = [TableName(table.schema, table.table) for table in bad_tables(report)]
    with tools.connect(request.copied.writer, PATIENT) as source, tools.connect(request.replica.server.writer, PATIENT) as target:
        drifted = Drifted(
            report=report,
            source_tables=repair_rows.read_tables(source, names),
            replica_tables=repair_rows.read_tables(target, names),
        )
        feeders = _feeders(request, tools, facts, names, target)
    refusals = [*drift_refusals(drifted), *(refusal for feeder in feeders for refusal in feeding(feeder, names))]
    both = {name: table for name, table in drifted.source_tables.items() if name in drifted.replica_tables}
    rows: tuple[ScopeRow, ...] = ()
    if not refusals:
        try:
            rows = rows_of_report(report, both)
        except ValueError as error:
            refusals.append(Refusal(code="unsupported-key", summary=str(error)))
    touched = {row.table for row in rows}
    scope = scope_of(facts, {name: table for name, table in drifted.replica_tables.items() if name in touched}, rows)
    return _with_steps(request, tools, facts, Proposal(plan=_blank(scope, refusals), scope=scope, verdict=report.verdict), report)


def _feeders(
    request: RepairRequest, tools: Tools, facts: Facts, names: Sequence[TableName], target: Database
) -> tuple[Feeder, ...]:
    """A check of one channel takes the rows that another one has brought for wrong. Not asked where no row is."""
    others = [state for state in facts.target.server.channels if state.channel != facts.channel]
    if not others or not names:
        return ()
    asked = glanced(request.others, glance_at_all(request.others, tools.connect))
    return read_feeders(others, names, target, asked, tools.connect)


def _blank(scope: Scope, refusals: list[Refusal]) -> Plan:
    return Plan(method="", reason="", plan_hash=scope.plan_hash, refusals=tuple(refusals), steps=())


def _with_steps(
    request: RepairRequest, tools: Tools, facts: Facts, proposal: Proposal, report: ReplicaReport | None = None
) -> Proposal:
    """The proposal with the statements as of this moment; what runs is read anew at one position of both servers."""
    scope, refusals = proposal.scope, list(proposal.plan.refusals)
    planned: tuple[PlannedTable, ...] = ()
    if scope.rows and not refusals:
        try:
            planned = plan_now(request, tools, scope)
        except (TriggersInTheWay, Refused) as trouble:
            code = "triggers" if isinstance(trouble, TriggersInTheWay) else "schema-differs"
            # An interrupted run that can change no row any more must still be able to let replication go.
            refusals += [Refusal(code=code, summary=str(trouble))] if proposal.pending is None else []
        except ServerError:
            if proposal.pending is None:
                raise
    replica = replica_of(facts)
    plan = make_plan(scope, replica, planned, refusals, _reason(proposal, report, replica.delay))
    if plan.steps and not plan.refusals:
        with suppress(StoreError):  # kept for --plan-hash; without it the hash fits while the rows are the very same
            tools.records.save(plan_record(plan.plan_hash), scope.to_json())
    return replace(proposal, plan=plan, replica=replica, tables=planned)


def plan_now(request: RepairRequest, tools: Tools, scope: Scope) -> tuple[PlannedTable, ...]:
    """The changes, from rows of both sides as they are now. Raises TriggersInTheWay, and Refused for a redefined table."""
    keys = repair_rows.keys_of(scope)
    with tools.connect(request.copied.writer, PATIENT) as source, tools.connect(request.replica.server.writer, PATIENT) as target:
        definitions = repair_rows.read_definitions(target, repair_rows.check_unchanged(scope, target))
        for db in (source, target):
            db.execute(sql.READ_RAW)
        wanted = repair_rows.read_all(source, definitions.tables, keys)
        actual = repair_rows.read_all(target, definitions.tables, keys)
    return repair_rows.plan_tables(definitions, wanted, actual)


def plan_record(plan_hash: str) -> str:
    """The name under which a shown scope is kept."""
    return f"plan-{plan_hash}.json"


def _reason(proposal: Proposal, report: ReplicaReport | None, delay: int) -> str:
    counts = count_rows(proposal.scope)
    rows = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
    if proposal.pending is not None:
        return f"a repair ({rows}) was interrupted at {proposal.pending.stage.value!r}; it is finished"
    if report is None or not counts:
        return "no wrong rows" if report is not None and report.verdict is Verdict.IDENTICAL else "no rows to repair"
    undecided = [f"{table.schema}.{table.table}" for table in report.tables if table.verdict is Verdict.UNDECIDED]
    rest = f"; undecided and left alone: {', '.join(undecided)}" if undecided else ""
    taken = f"; the rows are taken from {proposal.scope.donor}, and compared with it" if proposal.scope.donor else ""
    late = (
        f"; the replica is brought up to its source for it, and then falls behind by its delay of {delay} s again, for which "
        "the check at the end has to wait"
        if delay
        else ""
    )
    return f"few rows differ ({rows}) and replication runs, so that rewriting them is the cheapest way{taken}{rest}{late}"


def _finish(request: RepairRequest, tools: Tools, pending: Unfinished) -> Proposal:
    """The donor is not looked at before the run: whatever is wrong with it, the replica must be let go."""
    facts = look_at_servers(replace(request, donor=None), tools)
    refusals = (*server_refusals(facts, own_hold=True), *_other_servers(request, facts, pending))
    now = scope_of(facts, {}, ())
    proposal = Proposal(plan=_blank(pending.scope, list(refusals)), scope=pending.scope, pending=pending)
    if pending.mode is Mode.UNDO:
        return replace(proposal, plan=make_plan(now, replica_of(facts), (), refusals, "an undo was interrupted"))
    return _with_steps(request, tools, facts, proposal)


def _other_servers(request: RepairRequest, facts: Facts, pending: Unfinished) -> Iterator[Refusal]:
    begun = pending.scope
    if begun.ends != scope_of(facts, {}, ()).ends:
        yield Refusal(
            code="other-server",
            summary=f"an interrupted repair was of {begun.target} with identity {begun.target_key}, "
            f"which this server is not; move its journal out of the state folder",
        )
    donor = str(request.donor.server.endpoint.address) if request.donor else ""
    if donor != begun.donor and pending.mode is Mode.REPAIR:
        yield Refusal(
            code="other-server",
            summary=f"an interrupted repair took its rows from {begun.donor or begun.source}: leave out --from",
        )


def agreed_to(proposal: Proposal, plan_hash: str, tools: Tools) -> Proposal:
    """The proposal if it is, or is a part of, the plan with that hash. Raises Refused if the world has changed.

    Rows that are right by now are no reason to refuse; a new row is.
    """
    if proposal.plan.plan_hash == plan_hash:
        return proposal
    kept = tools.records.load(plan_record(plan_hash))
    if kept is not None and proposal.pending is None:
        with suppress(ValueError, KeyError, TypeError):
            scope = Scope.from_json(kept)
            if scope.plan_hash == plan_hash and scope.covers(proposal.scope) and proposal.replica is not None:
                plan = make_plan(scope, proposal.replica, proposal.tables, proposal.plan.refusals, proposal.plan.reason)
                return replace(proposal, scope=scope, plan=plan)
    raise Refused(
        f"the plan of the moment is {proposal.plan.plan_hash}, not {plan_hash}: the world has changed",
        hint="look at the new plan and agree to that",
    )

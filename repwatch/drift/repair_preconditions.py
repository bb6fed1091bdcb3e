"""Why a repair is refused: every reason at once, before anything is changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from repwatch.drift.definitions import compare_definitions, is_transactional
from repwatch.drift.report import Effect, ReplicaReport, TableExtra, TableMissing, TableReport, Verdict
from repwatch.model.plan import Refusal
from repwatch.model.schema import Table, TableName
from repwatch.reseed.facts import Facts, reads_from
from repwatch.reseed.roles import readiness_refusals, some, source_refusals

ROW_CAP = 10_000
_RESEED = "`repwatch reseed` puts it right"
_LEAVE_OUT = "--exclude-tables leaves it out"
# Differences of definitions after which a row cannot be carried over byte for byte, though it may still be comparable.
_NOT_CARRIED = {"column", "charset", "primary-key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """What a drift check found, with the definitions of the tables that have wrong rows, on both sides."""

    report: ReplicaReport
    source_tables: Mapping[TableName, Table] = field(default_factory=dict)
    replica_tables: Mapping[TableName, Table] = field(default_factory=dict)


def server_refusals(facts: Facts, *, own_hold: bool) -> tuple[Refusal, ...]:
    """What the servers and their replication forbid. `own_hold`: the applier is held by a repair that was interrupted."""
    replication = (*_channel(facts, own_hold=own_hold), *(() if own_hold else _threads(facts)))
    return (*_same_server(facts), *_role(facts), *replication, *_settings(facts))


def drift_refusals(drifted: Drifted) -> tuple[Refusal, ...]:
    """What the differences forbid."""
    definitions = definition_refusals(drifted.source_tables, drifted.replica_tables)
    return (*_check_failed(drifted), *_too_many(drifted), *_not_rows(drifted), *definitions)


def definition_refusals(
    source_tables: Mapping[TableName, Table], replica_tables: Mapping[TableName, Table]
) -> tuple[Refusal, ...]:
    """What the definitions of tables that exist on both sides forbid."""
    pairs = ((name, table, replica_tables.get(name)) for name, table in sorted(source_tables.items()))
    return tuple(refusal for name, ours, theirs in pairs if theirs is not None for refusal in _definition(name, ours, theirs))


def bad_tables(report: ReplicaReport) -> tuple[TableReport, ...]:
    """The tables with confirmed differences."""
    return tuple(table for table in report.tables if table.verdict is Verdict.DRIFTED)


def _same_server(facts: Facts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if source.key == target.key and source.version.flavour is target.version.flavour:
        yield Refusal(code="same-server", summary=f"{target.address} says that it is {source.address}: identity {source.key}")


def _role(facts: Facts) -> Iterator[Refusal]:
    yield from source_refusals(facts)
    if facts.target.marker is not None:
        address = facts.target.server.address
        yield Refusal(code="half-loaded", summary=f"a reseed of {address} was interrupted: `repwatch reseed --resume` ends it")


def _channel(facts: Facts, *, own_hold: bool) -> Iterator[Refusal]:
    address, state = facts.target.server.address, facts.current
    if facts.target.server.missing_grants:
        return  # so that no channel could be read; that refuses by itself
    # What was proved before an interruption cannot be proved again while the receiver is stopped; the journal knows both.
    follows = facts.follows_source or (own_hold and state is not None and reads_from(state, facts.source.server))
    if state is None or not follows:
        channel = f" on channel {facts.channel!r}" if facts.channel else ""
        yield Refusal(code="not-following", summary=f"{address} does not replicate from {facts.source.server.address}{channel}")
    elif not state.uses_gtid:
        yield Refusal(code="gtid-off", summary=f"the channel of {address} does not use GTIDs, so it cannot be stopped exactly")


def _threads(facts: Facts) -> Iterator[Refusal]:
    address, state = facts.target.server.address, facts.current
    if state is None:
        return
    if state.held:
        yield Refusal(code="held", summary=f"a reseed or a check holds the applier of {address}: let it end first")
    elif state.applier_errno:
        yield Refusal(
            code="applier-error",
            summary=f"the applier of {address} stopped with error {state.applier_errno}, and rows are repaired while it can run: "
            f"{_RESEED}",
        )
    elif not state.applier_running or not state.receiver_running:
        yield Refusal(code="replication-stopped", summary=f"replication on {address} is stopped: start it, then repair")


def _settings(facts: Facts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if not source.log_bin:
        yield Refusal(code="no-binlog", summary=f"{source.address} writes no binary log, so no position can be told")
    for server in (source, target):
        yield from readiness_refusals(server)


def _check_failed(drifted: Drifted) -> Iterator[Refusal]:
    report = drifted.report
    if report.reason is not None:
        yield Refusal(code="not-checked", summary=f"the replica could not be compared: {report.reason.value}")
    elif report.verdict is Verdict.UNDECIDED and not bad_tables(report):
        undecided = [f"{table.schema}.{table.table}" for table in report.tables if table.verdict is Verdict.UNDECIDED]
        yield Refusal(code="undecided", summary=f"no difference is confirmed, but these tables are undecided: {some(undecided)}")


def _too_many(drifted: Drifted) -> Iterator[Refusal]:
    count = sum(table.difference_count for table in bad_tables(drifted.report))
    if count > ROW_CAP:
        yield Refusal(code="too-many-rows", summary=f"{count} differences are more than {ROW_CAP} rows: {_RESEED}")


def _not_rows(drifted: Drifted) -> Iterator[Refusal]:
    for table in bad_tables(drifted.report):
        name = f"{table.schema}.{table.table}"
        if table.there is not None:
            yield Refusal(
                code="rewritten", summary=f"{name} is {table.there} on the replica: rows are only repaired under one name"
            )
        elif any(isinstance(difference, TableMissing | TableExtra) for difference in table.differences):
            yield Refusal(code="table-differs", summary=f"{name} exists on one side only: {_RESEED}; {_LEAVE_OUT}")


def _definition(name: TableName, source: Table, replica: Table) -> Iterator[Refusal]:
    comparison = compare_definitions(source, replica)
    if not source.primary_key:
        yield Refusal(
            code="no-primary-key", summary=f"{name} has no primary key, so no row can be named: {_RESEED}; {_LEAVE_OUT}"
        )
    elif comparison.refusal is not None:
        yield Refusal(code=comparison.refusal.value, summary=f"rows of {name} cannot be carried over: {_RESEED}")
    elif comparison.ordered_key != source.primary_key or any(
        difference.effect is Effect.DATA or difference.what in _NOT_CARRIED for difference in comparison.differences
    ):
        yield Refusal(code="schema-differs", summary=f"{name} is defined differently on both sides: {_RESEED}")
    if not is_transactional(source.engine) or not is_transactional(replica.engine):
        yield Refusal(
            code="engine",
            summary=f"{name} ({source.engine}, {replica.engine}) is outside of transactions, so it is in no snapshot",
        )

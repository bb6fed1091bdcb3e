"""Why a reseed is refused: every reason at once, before anything is changed."""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from repwatch.model.plan import Refusal
from repwatch.model.schema import TableName
from repwatch.reseed.choice import Choice, is_loaded
from repwatch.reseed.clone import hindrances, is_cloned
from repwatch.reseed.donor import donor_refusals, no_files_of_donor
from repwatch.reseed.facts import Facts, TableFacts, reads_from
from repwatch.reseed.feeders import feeder_refusals
from repwatch.reseed.filtered import filter_refusals
from repwatch.reseed.host_preconditions import COPIED_ENGINES, host_refusals
from repwatch.reseed.method import Method
from repwatch.reseed.quarantine_steps import is_put_aside
from repwatch.reseed.roles import readiness_refusals, some, source_refusals
from repwatch.sql.replication import set_delay
from repwatch.sql.reseed import MARKER_SCHEMA

_TRANSACTIONAL = {"innodb"}
_BYTES_PER_SECOND = 5_000_000  # a slow copy, to compare with what the source still keeps


def refusals(facts: Facts, choice: Choice) -> tuple[Refusal, ...]:
    """All that forbids it, the identity of the servers first. Empty: it may be done."""
    found = [refusal for check in _CHECKS for refusal in check(facts)]
    if not is_loaded(facts.target.marker, choice):
        found += donor_refusals(facts, held=choice.method is not Method.CLONE)
    concerned = _concerned(facts, choice)
    found += [*_purge(facts, concerned), *filter_refusals(facts, choice), *feeder_refusals(facts, choice)]
    if choice.method is Method.TABLE:
        found += [*_named_tables(facts, choice.tables), *_in_place(facts)]
    elif choice.method is Method.PHYSICAL:
        found += [*_channel(facts, choice), *_export(facts), *host_refusals(facts), *no_files_of_donor(facts)]
    else:
        found += [*_own_tables(facts), *_own_references(facts), *_channel(facts, choice), *_export(facts)]
    found += _in_backup(concerned) if choice.method is Method.PHYSICAL else _in_snapshot(concerned)
    if choice.method is Method.CLONE and not is_cloned(facts):
        found += hindrances(facts)
    return tuple(dict.fromkeys(found))


def _concerned(facts: Facts, choice: Choice) -> list[TableFacts]:
    """The source's tables whose rows are read."""
    base = [table for table in facts.copied.tables if table.kind != "VIEW"]
    return [table for table in base if table.name in choice.tables] if choice.method is Method.TABLE else base


def _same_server(facts: Facts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if source.version.flavour is not target.version.flavour:
        yield Refusal(code="flavour-differs", summary=f"{source.address} and {target.address} are of different flavours")
    elif source.key == target.key and (source.server_uuid or source.server_id == target.server_id):
        yield Refusal(
            code="same-server",
            summary=f"{target.address} says that it is {source.address}: the same "
            f"{'server_uuid' if source.server_uuid else 'server_id'} {source.key}",
        )
    elif source.server_id == target.server_id:
        yield Refusal(
            code="duplicate-server-id", summary=f"both servers have server_id {source.server_id}, so they cannot replicate"
        )


def _standalone(facts: Facts) -> Iterator[Refusal]:
    target = facts.target
    interrupted = target.marker is not None and target.marker.source_key == facts.source.server.key
    if facts.follows_source or interrupted or not target.server.schemas or target.server.missing_grants:
        return  # without the privileges no channel could be read; that refuses by itself
    if facts.overwrite_standalone != str(target.server.address):
        yield Refusal(
            code="standalone",
            summary=f"{target.server.address} holds {some(target.server.schemas)} and does not replicate from "
            f"{facts.source.server.address}; if its data may go: --overwrite-standalone {target.server.address}",
        )


def _versions(facts: Facts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if source.version.flavour is target.version.flavour and target.version.number[:2] < source.version.number[:2]:
        yield Refusal(
            code="target-older",
            summary=f"{target.address} runs {target.version.text}, which is older than {source.version.text}",
        )


def _settings(facts: Facts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if not source.log_bin:
        yield Refusal(code="no-binlog", summary=f"{source.address} writes no binary log: set log_bin and restart it")
    if source.channels and not source.logs_updates:
        yield Refusal(
            code="updates-not-logged",
            summary=f"{source.address} replicates, but not into its binary log: set log_slave_updates (log_replica_updates)",
        )
    for server in (source, target):
        yield from readiness_refusals(server)
    if source.lower_case_names != target.lower_case_names:
        yield Refusal(
            code="lower-case-names-differ",
            summary=f"lower_case_table_names is {source.lower_case_names} on {source.address} "
            f"and {target.lower_case_names} on {target.address}",
        )
    if source.max_allowed_packet > target.max_allowed_packet:
        yield Refusal(
            code="packet-too-small",
            summary=f"max_allowed_packet of {target.address} ({target.max_allowed_packet}) is smaller than "
            f"the source's ({source.max_allowed_packet})",
        )


def _busy(facts: Facts) -> Iterator[Refusal]:
    if facts.target.writers:
        yield Refusal(
            code="sessions-writing",
            summary=f"sessions are writing on {facts.target.server.address}: {some(facts.target.writers)}",
        )


def _copied_source(facts: Facts) -> Iterator[Refusal]:
    if MARKER_SCHEMA in facts.copied.server.schemas:
        yield Refusal(
            code="source-half-loaded", summary=f"{facts.copied.server.address} is itself half loaded: it has {MARKER_SCHEMA}"
        )


def _in_snapshot(base: Sequence[TableFacts]) -> Iterator[Refusal]:
    if foreign := _outside(base, _TRANSACTIONAL):
        yield Refusal(code="engine", summary=f"tables outside InnoDB are in no snapshot: {some(foreign)}")
    versioned = [str(table.name) for table in base if table.kind == "SYSTEM VERSIONED"]
    if versioned:
        yield Refusal(code="system-versioned", summary=f"the history of system-versioned tables would be lost: {some(versioned)}")


def _in_backup(base: Sequence[TableFacts]) -> Iterator[Refusal]:
    if foreign := _outside(base, COPIED_ENGINES):
        yield Refusal(code="engine", summary=f"the rows of these tables are in no backup: {some(foreign)}")


def _outside(base: Sequence[TableFacts], engines: set[str]) -> list[str]:
    return [f"{table.name} ({table.engine or 'no engine'})" for table in base if table.engine.lower() not in engines]


def _named_tables(facts: Facts, tables: Sequence[TableName]) -> Iterator[Refusal]:
    """What `--table` names must be on the source, and not the replica's own."""
    # A table that keeps its history is there, and refused for that.
    known = {table.name for table in facts.copied.tables if table.kind in ("BASE TABLE", "SYSTEM VERSIONED")}
    if unknown := [str(name) for name in tables if name not in known]:
        yield Refusal(code="no-such-table", summary=f"{facts.copied.server.address} has no table {some(unknown)}")
    if own := [str(name) for name in tables if any(fnmatchcase(str(name), pattern) for pattern in facts.local_tables)]:
        yield Refusal(code="local-tables", summary=f"local_tables say that these are the replica's own: {some(own)}")
    yield from _triggers_elsewhere(facts, tables)
    marker = facts.target.marker
    if marker is not None and (marker.method is not Method.TABLE or set(marker.tables) != set(tables)):
        yield Refusal(
            code="half-loaded",
            summary=f"another reseed of {facts.target.server.address} was interrupted: `repwatch reseed --resume` ends it",
        )


def _triggers_elsewhere(facts: Facts, tables: Sequence[TableName]) -> Iterator[Refusal]:
    """A schema has one trigger of a name, and other tables are not touched: they may come from another source."""
    wanted = {trigger for trigger, table in facts.copied.triggers if table in tables}
    if taken := [
        f"{trigger} on {table}" for trigger, table in facts.target.triggers if trigger in wanted and table not in tables
    ]:
        yield Refusal(
            code="trigger-elsewhere",
            summary=f"triggers of these tables are on other tables of {facts.target.server.address}: {some(taken)}: "
            "drop them there, or name those tables too",
        )


def _in_place(facts: Facts) -> Iterator[Refusal]:
    """A replica that goes on serving must follow the source, and be able to run up to a snapshot."""
    target, state = facts.target.server, facts.current
    yield from _held(facts)
    if target.missing_grants:
        return  # so that no channel could be read; that refuses by itself
    # What was proved before an interruption cannot be proved again while the receiver is stopped.
    follows = facts.follows_source or (facts.target.marker and state and reads_from(state, facts.source.server))
    if state is None or not follows:
        yield Refusal(
            code="not-following",
            summary=f"{target.address} does not replicate from {facts.source.server.address}: reseed it whole, without --table",
        )
    elif not state.uses_gtid:
        yield Refusal(
            code="gtid-off", summary=f"the channel of {target.address} does not use GTIDs, so it cannot be stopped exactly"
        )
    elif state.applier_errno:
        yield Refusal(
            code="applier-error",
            summary=f"the applier of {target.address} stopped with error {state.applier_errno} and cannot run up to a snapshot: "
            "reseed it whole, without --table",
        )


def _own_tables(facts: Facts) -> Iterator[Refusal]:
    """What the replica owns must not share a schema with what is replaced."""
    mixed = [
        pattern
        for pattern in facts.local_tables
        for schema in facts.dropped_schemas
        if fnmatchcase(schema, pattern.partition(".")[0])
    ]
    shared = [pattern for pattern in facts.local_tables if pattern.removesuffix(".*") in facts.copied.server.schemas]
    if mixed or shared:
        yield Refusal(
            code="local-tables",
            summary=f"local_tables {some(sorted({*mixed, *shared}))} lie in schemas that would be replaced",
        )


def _own_references(facts: Facts) -> Iterator[Refusal]:
    """What the replica owns must not refer to what is put aside, and dropped in the end."""
    if dangling := [
        f"{child} to {parent}"
        for child, parent in facts.target.foreign_keys
        if facts.owns_schema(child.schema) and (parent.schema == MARKER_SCHEMA or is_put_aside(facts, parent))
    ]:
        yield Refusal(
            code="local-references",
            summary=f"tables of the replica's own refer to tables that the source does not have: {some(dangling)}: "
            "drop these foreign keys, or bring what they refer to into a schema of local_tables",
        )


def _export(facts: Facts) -> Iterator[Refusal]:
    if facts.export and facts.target.errant:
        for grant in facts.target.export_grants:
            yield Refusal(code="privilege-missing", summary=f"{facts.target.server.address}, for --export-errant: {grant}")


def _held(facts: Facts) -> Iterator[Refusal]:
    if facts.current is not None and facts.current.held and facts.target.marker is None:
        target = facts.target.server
        yield Refusal(
            code="held",
            summary=f"a repair or a check holds the applier of {target.address}: let it end, or run it again; "
            f"if its record is lost: {set_delay(target.version, facts.channel, 0)}",
        )


def _channel(facts: Facts, choice: Choice) -> Iterator[Refusal]:
    yield from _held(facts)
    if facts.follows_source or facts.target.server.missing_grants or _brings_channel(facts, choice):
        return
    if not facts.login:
        yield Refusal(
            code="no-replication-account",
            summary="the channel must be made anew: give the account in [clusters.….replication] of the configuration",
        )
    if facts.source.server.address.socket:
        yield Refusal(
            code="source-address", summary=f"no other server can replicate from a socket: {facts.source.server.address}"
        )


def _brings_channel(facts: Facts, choice: Choice) -> bool:
    """A clone of a replica has its channel."""
    return choice.method is Method.CLONE and facts.donor is not None


def _purge(facts: Facts, tables: Sequence[TableFacts]) -> Iterator[Refusal]:
    expires = facts.source.server.binlog_expires
    seconds = sum(table.data_bytes for table in tables) / _BYTES_PER_SECOND
    behind = facts.donor.delay if facts.donor else 0
    if expires and expires < behind + 2 * seconds + 600:
        late = f", of data that is {behind} s old" if behind else ""
        yield Refusal(
            code="purge-horizon",
            summary=f"{facts.source.server.address} keeps its binary logs for {expires} s, "
            f"and the copy may take {seconds:.0f} s{late}: raise binlog_expire_logs_seconds",
        )


_CHECKS: tuple[Callable[[Facts], Iterator[Refusal]], ...] = (
    _same_server, source_refusals, _standalone, _versions, _settings, _busy, _copied_source,
)  # fmt: skip

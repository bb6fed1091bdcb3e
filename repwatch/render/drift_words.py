"""What the renderings of a drift report share: words for verdicts and reasons, counts, and a row's values as text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from repwatch.drift.report import (
    Cause,
    Cell,
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    Effect,
    Errant,
    ExtraRow,
    Guess,
    Hex,
    MissingRow,
    NotCompared,
    Reason,
    ReplicaReport,
    SchemaDifference,
    Side,
    TableExtra,
    TableMissing,
    TableReport,
    Verdict,
)

REASONS: Final[dict[Reason, str]] = {
    Reason.HOT_ROWS: "some rows changed faster than they could be settled; run the check again at a quieter time",
    Reason.REPLICA_BEHIND: "the replica did not reach the source's position in time",
    Reason.REPLICATION_STOPPED: "replication is stopped, so the replica does not reach the source's position",
    Reason.NOT_HELD: "its applier may not be held, as an exact check has to; `--proof reread` holds none",
    Reason.NOT_REPLICATING: "the replica has no replication channel from this source",
    Reason.NO_GTID: "the positions of the two servers cannot be compared: they need GTIDs of one flavour",
    Reason.UNREACHABLE: "the server cannot be reached",
    Reason.LOGIN_REFUSED: "the server refuses the account; `repwatch doctor` says more",
    Reason.UNREADABLE: "a statement was refused or took too long (`repwatch doctor` says which privileges are missing), "
    "or the self-test failed",
    Reason.FILTERS_UNCLEAR: "replication filters apply, and whether they leave this table out cannot be told from its name",
    Reason.SEVERAL_SOURCES: "rows that only the replica has may have come from another source of it, which has this table too",
    Reason.NOTHING_REPLICATED: "replication filters, local_tables or other channels leave none of these tables to compare",
    Reason.NO_PRIMARY_KEY: "it has no key, and too many rows to be told apart at a time",
    Reason.SCHEMA_DIFFERS: "the definitions differ, so the rows cannot be compared",
    Reason.SCHEMA_CHANGED: "its definition changed during the check; run the check again",
    Reason.UNSUPPORTED_TYPE: "it has a column of a type that repwatch does not know",
    Reason.INEXACT_NUMBERS: "JSON numbers of more digits than a double has differ, and one of the servers cannot keep them",
    Reason.STOPPED: "the check was ended before",
    Reason.OTHER_FLAVOUR: "the two flavours spell these definitions differently, so they count as neither equal nor different",
    Reason.HIDDEN: "the account may not see these definitions, so they count as neither equal nor different",
}
EFFECTS: Final[dict[Effect, str]] = {
    Effect.DATA: "values differ or cannot be compared",
    Effect.BEHAVIOUR: "values are equal; statements that change them may do something else here",
    Effect.NONE: "no result depends on it",
}
CAUSES: Final[dict[Cause, str]] = {
    Cause.TIME_ZONE: "another time zone: {columns} {is} shifted by {value} hours on the replica",
    Cause.LETTER_CASE: "a change of letter case: {columns} {differs} in nothing else",
    Cause.TRAILING_BLANKS: "lost or added trailing blanks: {columns} {differs} in nothing else",
    Cause.CHARSET: "text that passed through a wrong character set: {columns}",
    Cause.NULL_OR_DEFAULT: "NULL in place of a default or empty value: {columns} {is} NULL {side}",
    Cause.ONE_VALUE: "one statement that ran on one side only: {columns} {is} {value} {side}",
    Cause.ROUNDING: "rounding: {columns} {agrees} in fewer digits",
    Cause.CONSTANT_OFFSET: "a lost or repeated count: {columns} {is} off by {value} on the replica",
    Cause.SWAPPED_COLUMNS: "swapped columns: {columns} have each other's values",
    Cause.SWAPPED_ROWS: "rows that changed places: they have each other's {columns}",
    Cause.MISSING_TAIL: "a missing tail: the last rows, from {columns} = {value} on, are not on the replica",
    Cause.EVERY_ROW: "a change of the whole table: {columns} {differs} in every row",
}
_SIDES: Final = {Side.SOURCE: "on the source", Side.REPLICA: "on the replica", None: ""}
_KINDS: Final[dict[type, str]] = {
    ChangedRow: "changed",
    MissingRow: "missing",
    ExtraRow: "extra",
    SchemaDifference: "schema",
    TableMissing: "table-missing",
    TableExtra: "table-extra",
}


def kind_of_difference(difference: Difference) -> str:
    """The contract's `kind`."""
    if isinstance(difference, CountedRow):
        return "missing" if difference.source_count > difference.replica_count else "extra"
    return _KINDS[type(difference)]


def label(server: str, name: str | None) -> str:
    """`name (host:port)`, or the address alone."""
    return f"{name} ({server})" if name else server


def source_line(report: DriftReport) -> str:
    """What the replicas were compared with."""
    source = label(report.source, report.source_name)
    return f"Source {source}" if report.stands_for is None else f"Compared with {source}, a replica of {report.stands_for}"


def from_line(report: DriftReport, replica: ReplicaReport) -> str:
    """`, compared with NAME`, where the replica's source is not the one that the report is headed by."""
    if replica.source in ("", report.source):
        return ""
    return f", compared with {label(replica.source, replica.source_name)}"


def cell_text(cell: Cell) -> str:
    """A value for people: NULL, text in quotes, bytes as 0x…."""
    if cell is None:
        return "NULL"
    if isinstance(cell, Hex):
        return f"0x{cell.digits}"
    return "'" + cell.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def copies_text(difference: CountedRow) -> str:
    """How often each side has the row."""
    return f"{difference.source_count:,} on the source, {difference.replica_count:,} here"


def key_text(key: Mapping[str, Cell]) -> str:
    """`id='7'`, several columns by commas."""
    return ", ".join(f"{name}={cell_text(value)}" for name, value in key.items())


def cause_text(guess: Guess) -> str:
    """A guess in words that do not pretend to know: `looks like …, in 98 of 100 listed rows`."""
    single = len(guess.columns) == 1
    shift = guess.cause in {Cause.TIME_ZONE, Cause.CONSTANT_OFFSET}
    words = CAUSES[guess.cause].format(
        columns=" and ".join(filter(None, (", ".join(guess.columns[:-1]), guess.columns[-1]))),
        value=guess.value if shift else cell_text(guess.value),
        side=_SIDES[guess.side],
        **{
            "is": "is" if single else "are",
            "differs": "differs" if single else "differ",
            "agrees": "agrees" if single else "agree",
        },
    )
    share = f"all {guess.listed:,}" if guess.rows == guess.listed else f"{guess.rows:,} of {guess.listed:,}"
    return f"looks like {words} ({share} listed {'missing' if guess.cause is Cause.MISSING_TAIL else 'changed'} rows)"


def errant_text(errant: Errant) -> str:
    """That a replica has transactions of its own, and what that means."""
    tables = f"; they touched {', '.join(errant.tables)}" if errant.tables else ""
    return (
        f"its binary log has transactions of its own, which the source does not have: {errant.gtids}{tables}. "
        "A write on the replica itself may have made it differ; to see what they did:"
    )


def errant_command(errant: Errant) -> str:
    """What shows the errant transactions, to be run on the replica."""
    log = errant.log or "LOG"
    if ":" in errant.gtids:
        return f"mysqlbinlog --include-gtids='{errant.gtids}' --base64-output=decode-rows --verbose {log}"
    server = errant.gtids.split("-")[1]
    return f"mariadb-binlog --server-id={server} --base64-output=decode-rows --verbose {log}"


def count_text(count: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def kinds_text(table: TableReport) -> str:
    """`200 changed, 3 missing` of the differences that are listed; with "at least" where the list is cut."""
    counts = Counter(kind_of_difference(difference) for difference in table.differences)
    parts = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    return f"at least {parts}" if table.difference_count > len(table.differences) and parts else parts


def table_line(table: TableReport) -> str:
    """What came out for a table, in one line without its name on the source."""
    return _outcome(table) + (f" (there it is {table.there})" if table.there else "")


def _outcome(table: TableReport) -> str:
    rows = count_text(table.rows, "row")
    if table.verdict is Verdict.IDENTICAL:
        notes = f", {count_text(table.difference_count, 'difference')} of no effect on data" if table.difference_count else ""
        return f"identical: {rows}{notes}"
    if table.verdict is Verdict.DRIFTED:
        for one_sided, side in ((TableMissing, "the source"), (TableExtra, "this replica")):
            if any(isinstance(difference, one_sided) for difference in table.differences):
                return f"drifted: the table is on {side} only"
        also = f"; not all settled: {table.reason}" if table.reason else ""
        return f"drifted: {count_text(table.difference_count, 'difference')} ({kinds_text(table)}), source has {rows}{also}"
    reason = REASONS[table.reason] if table.reason else "no reason is known"
    open_rows = f"; {table.rows - table.rows_proved:,} of {rows} not proved" if table.rows > table.rows_proved else ""
    return f"undecided: {reason}{open_rows}"


def proved_text(table: TableReport) -> str:
    """When a table that is not identical last was; nothing where that is not known."""
    return f"last proved identical {_minute(table.last_proved)}" if table.last_proved else ""


def resumed_line(replica: ReplicaReport) -> str:
    """That a part of it was read by an earlier run, and when; nothing where all was read by this one."""
    since = min((table.since for table in replica.tables if table.since is not None), default=None)
    if since is None:
        return ""
    tables = count_text(sum(table.since is not None for table in replica.tables), "table")
    return f"This check has gone on from an interrupted one: rows of {tables} were read before it, the oldest {_minute(since)}."


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def by_effect(differences: Sequence[SchemaDifference]) -> list[tuple[Effect, list[SchemaDifference]]]:
    """Differences of definitions in groups of one effect, the worst first."""
    groups = ((effect, [found for found in differences if found.effect is effect]) for effect in Effect)
    return [(effect, found) for effect, found in groups if found]


def effects_legend(report: DriftReport) -> str | None:
    """What the effects of differing table definitions mean, where there are any."""
    tables = [table for replica in report.replicas for table in replica.tables]
    found = {item.effect for table in tables for item in table.differences if isinstance(item, SchemaDifference)}
    words = [f"{effect}: {text}" for effect, text in EFFECTS.items() if effect in found]
    return f"Effects of definitions: {'; '.join(words)}." if words else None


def not_compared_line(found: NotCompared) -> str:
    """Why nothing is known of some definitions, and what would help."""
    help_text = f"; run there: {found.grant}" if found.grant else ""
    return f"{found.what} on {found.server}: {REASONS[found.reason]}{help_text}"


def replica_line(replica: ReplicaReport) -> str:
    """What came out for a replica, in one line without its name."""
    tables = count_text(len(replica.tables), "table")
    proved = count_text(sum(table.rows_proved for table in replica.tables), "row")
    at = f", as of {replica.as_of}" if replica.as_of else ""
    if replica.reason is not None:
        return f"{replica.verdict}: {REASONS[replica.reason]}{at}"
    if bad := sum(table.verdict is Verdict.DRIFTED for table in replica.tables):
        tables = f"{bad:,} of {tables} {'differs' if bad == 1 else 'differ'}"
    objects = f", {count_text(len(replica.objects), 'difference')} beside tables" if replica.objects else ""
    return f"{replica.verdict}: {tables}, {proved} proved identical{objects}{at}"


def headline(report: DriftReport) -> str:
    """The report in one sentence."""
    single = len(report.replicas) == 1
    replicas = count_text(len(report.replicas), "replica")
    match report.verdict:
        case Verdict.IDENTICAL:
            one = "The replica is" if single else f"All {replicas} are"
            return f"{one} identical to the source."
        case Verdict.DRIFTED:
            count = sum(replica.verdict is Verdict.DRIFTED for replica in report.replicas)
            unknown = sum(replica.verdict is Verdict.UNDECIDED for replica in report.replicas)
            some = "The replica" if single else f"{count} of {replicas}"
            rest = f"; of {unknown} it could not be proved" if unknown else ""
            return f"{some} {'differs' if count == 1 else 'differ'} from the source{rest}."
        case _:
            return "No difference was found, but not everything could be proved."


def by_verdict(tables: Sequence[TableReport]) -> list[TableReport]:
    """Tables with the worst first."""
    order = {Verdict.DRIFTED: 0, Verdict.UNDECIDED: 1, Verdict.IDENTICAL: 2}
    return sorted(tables, key=lambda table: (order[table.verdict], table.schema, table.table))


MOST_IDENTICAL: Final = 100


def shown_of(tables: Sequence[TableReport]) -> list[TableReport]:
    """Tables with the worst first, without the many of which there is nothing to say."""
    ordered = by_verdict(tables)
    telling = [table for table in ordered if table.verdict is not Verdict.IDENTICAL or table.difference_count]
    plain = [table for table in ordered if table.verdict is Verdict.IDENTICAL and not table.difference_count]
    return [*telling, *plain[:MOST_IDENTICAL]]

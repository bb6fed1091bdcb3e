"""A drift report for a terminal."""

from collections.abc import Iterator
from textwrap import wrap
from typing import assert_never

from repwatch.drift.report import (
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    ExtraRow,
    MissingRow,
    ReplicaReport,
    SchemaDifference,
    TableExtra,
    TableMissing,
    TableReport,
    Verdict,
)
from repwatch.render.drift_words import (
    EFFECTS,
    by_effect,
    by_verdict,
    cause_text,
    cell_text,
    copies_text,
    effects_legend,
    errant_command,
    errant_text,
    from_line,
    headline,
    key_text,
    kind_of_difference,
    label,
    not_compared_line,
    proved_text,
    replica_line,
    resumed_line,
    source_line,
    table_line,
)

_LONGEST_ROW = 160


def drift_text(report: DriftReport) -> str:
    """The report as lines."""
    return "".join(drift_text_pieces(report))


def drift_text_pieces(report: DriftReport) -> Iterator[str]:
    """The same, line by line."""
    yield from (f"{line}\n" for line in _lines(report))


def _lines(report: DriftReport) -> Iterator[str]:
    seconds = (report.finished - report.started).total_seconds()
    yield f"{report.verdict.upper()}  {headline(report)}"
    yield f"{source_line(report)}, checked in {seconds:.1f} s."
    if report.strict:
        yield "Every difference of definitions counts (--strict)."
    if report.where is not None:
        yield f"Only rows where {report.where}; others were not looked at."
    for replica in report.replicas:
        yield ""
        yield from _replica(report, replica)
    if legend := effects_legend(report):
        yield ""
        yield legend
    if report.left_out:
        yield ""
        yield f"Left out, tables of known tools: {', '.join(report.left_out)}"


def _replica(report: DriftReport, replica: ReplicaReport) -> Iterator[str]:
    channel = f", channel {replica.channel}" if replica.channel else ""
    yield f"{label(replica.server, replica.name)}{channel}{from_line(report, replica)}  {replica_line(replica)}"
    if replica.errant:
        yield from wrap(errant_text(replica.errant), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        yield f"    {errant_command(replica.errant)}"
    if resumed := resumed_line(replica):
        yield from wrap(resumed, 100, initial_indent="  ", subsequent_indent="  ")
    for table in by_verdict(replica.tables):
        if table.verdict is Verdict.IDENTICAL and not table.difference_count:
            continue
        yield f"  {table.schema}.{table.table}  {table_line(table)}"
        if proved := proved_text(table):
            yield f"    {proved}"
        yield from _differences(table)
    yield from _objects(replica)
    if replica.not_replicated:
        yield f"  not replicated: {', '.join(replica.not_replicated)}"


def _objects(replica: ReplicaReport) -> Iterator[str]:
    for effect, found in by_effect(replica.objects):
        yield f"  beside tables, effect {effect} ({EFFECTS[effect]}):"
        for difference in found:
            yield f"    {difference.what} {difference.name}: {_sides(difference)}"
    for unknown in replica.not_compared:
        yield f"  not compared: {not_compared_line(unknown)}"


def _sides(difference: SchemaDifference) -> str:
    source, replica = (" ".join(_cut(side or "none").split()) for side in (difference.source, difference.replica))
    return f"{source} on the source, {replica} here"


def _differences(table: TableReport) -> Iterator[str]:
    for guess in table.causes:
        yield from wrap(cause_text(guess), 100, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)
    for difference in table.differences:
        if not isinstance(difference, TableMissing | TableExtra):  # the line of the table has said it
            yield f"    {_difference(difference)}"
    more = table.difference_count - len(table.differences)
    if more:
        yield f"    … and {more:,} more (--max-differences shows more)"


def _difference(difference: Difference) -> str:
    match difference:
        case ChangedRow():
            changes = "; ".join(
                f"{name}: {_cut(cell_text(pair.source))} on the source, {_cut(cell_text(pair.replica))} here"
                for name, pair in difference.columns.items()
            )
            return f"changed  {key_text(difference.key)}  {changes}"
        case MissingRow() | ExtraRow():
            return f"{kind_of_difference(difference):7}  {_cut(key_text(difference.row))}"
        case CountedRow():
            return f"{kind_of_difference(difference):7}  {_cut(key_text(difference.row))}: {copies_text(difference)}"
        case SchemaDifference():
            return f"schema   {difference.what} {difference.name}: {_sides(difference)} (effect: {difference.effect})"
        case TableMissing():
            return "missing: the table is on the source only"
        case TableExtra():
            return "extra: the table is on this replica only"
        case _:
            assert_never(difference)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_ROW else text[: _LONGEST_ROW - 1] + "…"

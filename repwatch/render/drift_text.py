"""A drift report for a terminal."""

from collections.abc import Iterator
from textwrap import wrap
from typing import assert_never

from repwatch.drift.report import (
    ChangedRow,
    Difference,
    DriftReport,
    ExtraRow,
    MissingRow,
    SchemaDifference,
    TableExtra,
    TableMissing,
    TableReport,
    Verdict,
)
from repwatch.render.drift_words import (
    by_verdict,
    cause_text,
    cell_text,
    errant_command,
    errant_text,
    headline,
    key_text,
    label,
    replica_line,
    table_line,
)

_LONGEST_ROW = 160


def drift_text(report: DriftReport) -> str:
    """The report as lines."""
    return "\n".join(_lines(report))


def _lines(report: DriftReport) -> Iterator[str]:
    seconds = (report.finished - report.started).total_seconds()
    yield f"{report.verdict.upper()}  {headline(report)}"
    yield f"Source {label(report.source, report.source_name)}, checked in {seconds:.1f} s."
    if report.where is not None:
        yield f"Only rows where {report.where}; others were not looked at."
    for replica in report.replicas:
        yield ""
        channel = f", channel {replica.channel}" if replica.channel else ""
        yield f"{label(replica.server, replica.name)}{channel}  {replica_line(replica)}"
        if replica.errant:
            yield from wrap(errant_text(replica.errant), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
            yield f"    {errant_command(replica.errant)}"
        for table in by_verdict(replica.tables):
            if table.verdict is Verdict.IDENTICAL and not table.difference_count:
                continue
            yield f"  {table.schema}.{table.table}  {table_line(table)}"
            yield from _differences(table)
        if replica.not_replicated:
            yield f"  not replicated: {', '.join(replica.not_replicated)}"
    if report.left_out:
        yield ""
        yield f"Left out, tables of known tools: {', '.join(report.left_out)}"


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
        case MissingRow():
            return f"missing  {_cut(key_text(difference.row))}"
        case ExtraRow():
            return f"extra    {_cut(key_text(difference.row))}"
        case SchemaDifference():
            source, replica = difference.source or "none", difference.replica or "none"
            sides = f"{source} on the source, {replica} here"
            return f"schema   {difference.what} {difference.name}: {sides} (effect: {difference.effect})"
        case TableMissing():
            return "missing: the table is on the source only"
        case TableExtra():
            return "extra: the table is on this replica only"
        case _:
            assert_never(difference)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_ROW else text[: _LONGEST_ROW - 1] + "…"

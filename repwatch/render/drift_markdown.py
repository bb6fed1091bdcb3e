"""A drift report as Markdown: for a ticket, a chat, a pull request."""

from collections.abc import Iterator

from repwatch.drift.report import (
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    ExtraRow,
    MissingRow,
    ReplicaReport,
    SchemaDifference,
    TableReport,
)
from repwatch.render.drift_words import (
    EFFECTS,
    by_effect,
    cause_text,
    cell_text,
    count_text,
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
    shown_of,
    source_line,
    table_line,
)

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "\n": " ", "\r": " ", "`": "\\`", "*": "\\*", "_": "\\_", "<": "&lt;", "&": "&amp;", "[": "\\["}
)
_LONGEST_VALUE = 120


def drift_markdown(report: DriftReport) -> str:
    """The report as Markdown with tables."""
    return "".join(drift_markdown_pieces(report))


def drift_markdown_pieces(report: DriftReport) -> Iterator[str]:
    """The same, line by line."""
    yield from (f"{line}\n" for line in _lines(report))


def _lines(report: DriftReport) -> Iterator[str]:
    yield f"# Drift: {report.verdict}"
    yield ""
    yield f"{headline(report)} {_safe(source_line(report))}, {report.started:%Y-%m-%d %H:%M:%S} UTC."
    if report.strict:
        yield ""
        yield "Every difference of definitions counts (--strict)."
    if report.where is not None:
        yield ""
        yield f"Only rows where {_safe(report.where)}; others were not looked at."
    for replica in report.replicas:
        yield from _replica(report, replica)
    if legend := effects_legend(report):
        yield ""
        yield legend
    if report.left_out:
        yield ""
        yield f"Left out, tables of known tools: {_safe(', '.join(report.left_out))}"


def _replica(report: DriftReport, replica: ReplicaReport) -> Iterator[str]:
    yield ""
    channel = f", channel {replica.channel}" if replica.channel else ""
    yield f"## {_safe(label(replica.server, replica.name) + channel + from_line(report, replica))}"
    yield ""
    yield _safe(replica_line(replica))
    yield ""
    if replica.errant:
        yield f"**Errant transactions**: {_safe(errant_text(replica.errant))}"
        yield ""
        yield f"    {errant_command(replica.errant)}"
        yield ""
    if resumed := resumed_line(replica):
        yield _safe(resumed)
        yield ""
    if replica.tables:
        yield "| table | verdict | rows | proved | differences |"
        yield "|---|---|--:|--:|--:|"
    listed = shown_of(replica.tables)
    for table in listed:
        name = _safe(f"{table.schema}.{table.table}")
        yield f"| {name} | {table.verdict} | {table.rows} | {table.rows_proved} | {table.difference_count} |"
    if left := len(replica.tables) - len(listed):
        yield ""
        yield f"… and {count_text(left, 'identical table')} more."
    for table in listed:
        if table.differences or table.reason:
            yield from _table(table)
    yield from _objects(replica)
    if replica.not_replicated:
        yield ""
        yield f"Not replicated: {_safe(', '.join(replica.not_replicated))}"


def _objects(replica: ReplicaReport) -> Iterator[str]:
    if replica.objects:
        yield ""
        yield "### Beside tables"
    for effect, found in by_effect(replica.objects):
        yield ""
        yield f"Effect: {effect} ({EFFECTS[effect]})."
        yield ""
        yield "| what | name | source | replica | effect |"
        yield "|---|---|---|---|---|"
        for difference in found:
            sides = (difference.source or "none", difference.replica or "none")
            yield _line(difference.what, difference.name, *sides, difference.effect.value)
    if replica.not_compared:
        yield ""
    for unknown in replica.not_compared:
        yield f"* Not compared: {_safe(not_compared_line(unknown))}"


def _table(table: TableReport) -> Iterator[str]:
    yield ""
    yield f"### {_safe(f'{table.schema}.{table.table}')}"
    yield ""
    yield _safe(table_line(table))
    if proved := proved_text(table):
        yield ""
        yield f"It was {_safe(proved)}."
    for guess in table.causes:
        yield ""
        yield f"It {_safe(cause_text(guess))}."
    if not table.differences:
        return
    yield ""
    yield "| kind | key | column | source | replica |"
    yield "|---|---|---|---|---|"
    for difference in table.differences:
        yield from _difference(difference)
    if table.difference_count > len(table.differences):
        yield ""
        yield f"… and {table.difference_count - len(table.differences):,} more."


def _difference(difference: Difference) -> Iterator[str]:
    match difference:
        case ChangedRow():
            for name, pair in difference.columns.items():
                yield _line("changed", key_text(difference.key), name, cell_text(pair.source), cell_text(pair.replica))
        case MissingRow():
            yield _line("missing", key_text(difference.key), "", key_text(difference.row), "")
        case ExtraRow():
            yield _line("extra", key_text(difference.key), "", "", key_text(difference.row))
        case CountedRow():
            counts = (f"{count:,} times" for count in (difference.source_count, difference.replica_count))
            yield _line(kind_of_difference(difference), key_text(difference.row), "", *counts)
        case SchemaDifference():
            what = f"{difference.what} {difference.name}"
            yield _line(f"schema ({difference.effect})", "", what, difference.source or "none", difference.replica or "none")
        case _:
            yield _line(kind_of_difference(difference), "", "", "", "")


def _line(*cells: str) -> str:
    return (
        "| "
        + " | ".join(_safe(cell if len(cell) <= _LONGEST_VALUE else cell[: _LONGEST_VALUE - 1] + "…") for cell in cells)
        + " |"
    )


def _safe(text: str) -> str:
    return text.translate(_ESCAPES)

"""A drift report as one self-contained page: it may be mailed, attached to a ticket, opened from a disk."""

from collections.abc import Iterator
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from repwatch.drift.report import (
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    ExtraRow,
    Hex,
    MissingRow,
    ReplicaReport,
    SchemaDifference,
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
    count_text,
    effects_legend,
    errant_command,
    errant_text,
    from_line,
    headline,
    kind_of_difference,
    label,
    not_compared_line,
    proved_text,
    replica_line,
    resumed_line,
    source_line,
    table_line,
)
from repwatch.render.times import rfc3339

_PIECES: Final = 200  # of the template, which are written together
_UNFOLDED_ROWS: Final = 8  # so many rows of a table are seen at once; more are one click away

_ENVIRONMENT = Environment(
    loader=PackageLoader("repwatch.render", "templates"),
    autoescape=select_autoescape(["html"], default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"label": label, "cell": cell_text}
_ENVIRONMENT.globals |= {
    "headline": headline,
    "source_line": source_line,
    "from_line": from_line,
    "by_verdict": by_verdict,
    "by_effect": by_effect,
    "count_text": count_text,
    "kind_of": kind_of_difference,
    "effects": EFFECTS,
    "effects_legend": effects_legend,
    "not_compared_line": not_compared_line,
    "proved_text": proved_text,
    "resumed_line": resumed_line,
    "rfc3339": rfc3339,
    "cause_text": cause_text,
    "errant_text": errant_text,
    "errant_command": errant_command,
    "unfolded": _UNFOLDED_ROWS,
}


ROWS = (ChangedRow, MissingRow, ExtraRow, CountedRow)


def drift_html(report: DriftReport) -> str:
    """The report as an HTML document without scripts and without anything to load."""
    return "".join(drift_html_pieces(report))


def drift_html_pieces(report: DriftReport) -> Iterator[str]:
    """The same in pieces, as it is made."""
    template = _ENVIRONMENT.get_template("drift.html")
    made = template.stream(
        report=report,
        facts=_facts(report),
        tally=_tally,
        line_of=_line_of,
        rows_of=_rows_of,
        columns_of=_columns_of,
        keys_of=_keys_of,
        schema_of=_schema_of,
        is_bytes=_is_bytes,
        copies_of=_copies_of,
    )
    made.enable_buffering(_PIECES)
    yield from made
    yield "\n"


def _facts(report: DriftReport) -> list[tuple[str, str]]:
    """What stands at the top: a number and what it counts."""
    tables = [table for replica in report.replicas for table in replica.tables]
    names = {(table.schema, table.table) for table in tables}
    beside = sum(len(replica.objects) for replica in report.replicas)
    seconds = (report.finished - report.started).total_seconds()
    return [
        (f"{len(report.replicas):,}", "replica" if len(report.replicas) == 1 else "replicas"),
        (f"{len(names):,}", "table" if len(names) == 1 else "tables"),
        (f"{sum(table.rows_proved for table in tables):,}", "rows proved identical"),
        (f"{sum(table.difference_count for table in tables) + beside:,}", "differences"),
        (f"{seconds:,.1f} s", "duration"),
    ]


def _tally(replica: ReplicaReport) -> dict[str, int]:
    """Tables by verdict."""
    return {verdict.value: sum(table.verdict is verdict for table in replica.tables) for verdict in Verdict}


def _line_of(part: ReplicaReport | TableReport) -> str:
    """What came out, without the verdict, which stands beside it as a badge."""
    line = replica_line(part) if isinstance(part, ReplicaReport) else table_line(part)
    return line.partition(": ")[2]


def _keys_of(table: TableReport) -> set[str]:
    found = [row.key for row in table.differences if isinstance(row, ChangedRow | MissingRow | ExtraRow)]
    return set(found[0]) if found else set()


def _columns_of(table: TableReport) -> list[str]:
    """The columns that the table of differences needs: those of the keys, then those that differ or are there."""
    names: dict[str, None] = {}
    rows = [found for found in table.differences if isinstance(found, ROWS)]
    for found in rows:
        names |= dict.fromkeys(() if isinstance(found, CountedRow) else found.key)
    for found in rows:
        names |= dict.fromkeys(found.columns if isinstance(found, ChangedRow) else found.row)
    return list(names)


def _rows_of(table: TableReport) -> list[Difference]:
    return [found for found in table.differences if isinstance(found, ROWS)]


def _schema_of(table: TableReport) -> list[SchemaDifference]:
    return [found for found in table.differences if isinstance(found, SchemaDifference)]


def _copies_of(found: Difference) -> str:
    return copies_text(found) if isinstance(found, CountedRow) else ""


def _is_bytes(value: object) -> bool:
    return isinstance(value, Hex)

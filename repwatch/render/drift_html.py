"""A drift report as one self-contained page: it may be mailed, attached to a ticket, opened from a disk."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from repwatch.drift.report import (
    ChangedRow,
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
    by_verdict,
    cause_text,
    cell_text,
    count_text,
    errant_command,
    errant_text,
    headline,
    label,
    replica_line,
    table_line,
)

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
    "by_verdict": by_verdict,
    "count_text": count_text,
    "cause_text": cause_text,
    "errant_text": errant_text,
    "errant_command": errant_command,
    "unfolded": _UNFOLDED_ROWS,
}


def drift_html(report: DriftReport) -> str:
    """The report as an HTML document without scripts and without anything to load."""
    template = _ENVIRONMENT.get_template("drift.html")
    return template.render(
        report=report,
        facts=_facts(report),
        tally=_tally,
        line_of=_line_of,
        rows_of=_rows_of,
        columns_of=_columns_of,
        keys_of=_keys_of,
        schema_of=_schema_of,
        is_bytes=_is_bytes,
    )


def _facts(report: DriftReport) -> list[tuple[str, str]]:
    """What stands at the top: a number and what it counts."""
    tables = [table for replica in report.replicas for table in replica.tables]
    names = {(table.schema, table.table) for table in tables}
    seconds = (report.finished - report.started).total_seconds()
    return [
        (f"{len(report.replicas):,}", "replica" if len(report.replicas) == 1 else "replicas"),
        (f"{len(names):,}", "table" if len(names) == 1 else "tables"),
        (f"{sum(table.rows_proved for table in tables):,}", "rows proved identical"),
        (f"{sum(table.difference_count for table in tables):,}", "differences"),
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
    rows = [found for found in table.differences if isinstance(found, ChangedRow | MissingRow | ExtraRow)]
    for found in rows:
        names |= dict.fromkeys(found.key)
    for found in rows:
        names |= dict.fromkeys(found.columns if isinstance(found, ChangedRow) else found.row)
    return list(names)


def _rows_of(table: TableReport) -> list[Difference]:
    return [found for found in table.differences if isinstance(found, ChangedRow | MissingRow | ExtraRow)]


def _schema_of(table: TableReport) -> list[SchemaDifference]:
    return [found for found in table.differences if isinstance(found, SchemaDifference)]


def _is_bytes(value: object) -> bool:
    return isinstance(value, Hex)

"""A drift report as one self-contained page: it may be mailed, attached to a ticket, opened from a disk."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from repwatch.drift.report import ChangedRow, Difference, DriftReport, ExtraRow, Hex, MissingRow, SchemaDifference, TableReport
from repwatch.render.drift_words import (
    EFFECTS,
    by_effect,
    by_verdict,
    cell_text,
    count_text,
    effects_legend,
    headline,
    kinds_text,
    label,
    not_compared_line,
    replica_line,
    table_line,
)

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
    "replica_line": replica_line,
    "table_line": table_line,
    "kinds_text": kinds_text,
    "by_verdict": by_verdict,
    "by_effect": by_effect,
    "count_text": count_text,
    "effects": EFFECTS,
    "effects_legend": effects_legend,
    "not_compared_line": not_compared_line,
}


def drift_html(report: DriftReport) -> str:
    """The report as an HTML document without scripts and without anything to load."""
    template = _ENVIRONMENT.get_template("drift.html")
    return template.render(report=report, rows_of=_rows_of, columns_of=_columns_of, schema_of=_schema_of, is_bytes=_is_bytes)


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

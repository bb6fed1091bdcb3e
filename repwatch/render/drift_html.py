"""A drift report as one self-contained page: it may be mailed, attached to a ticket, opened from a disk."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from repwatch.drift.report import (
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    ExtraRow,
    Hex,
    MissingRow,
    SchemaDifference,
    TableReport,
)
from repwatch.render.drift_words import (
    EFFECTS,
    by_effect,
    by_verdict,
    cell_text,
    copies_text,
    count_text,
    effects_legend,
    from_line,
    headline,
    kind_of_difference,
    kinds_text,
    label,
    not_compared_line,
    replica_line,
    source_line,
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
    "source_line": source_line,
    "from_line": from_line,
    "replica_line": replica_line,
    "table_line": table_line,
    "kinds_text": kinds_text,
    "by_verdict": by_verdict,
    "by_effect": by_effect,
    "count_text": count_text,
    "kind_of": kind_of_difference,
    "effects": EFFECTS,
    "effects_legend": effects_legend,
    "not_compared_line": not_compared_line,
}


ROWS = (ChangedRow, MissingRow, ExtraRow, CountedRow)


def drift_html(report: DriftReport) -> str:
    """The report as an HTML document without scripts and without anything to load."""
    template = _ENVIRONMENT.get_template("drift.html")
    return template.render(
        report=report, rows_of=_rows_of, columns_of=_columns_of, schema_of=_schema_of, is_bytes=_is_bytes, copies_of=_copies_of
    )


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

"""A drift report as the JSON that scripts read; the schema is `repwatch/schemas/drift.schema.json`."""

import json
from collections.abc import Iterator, Mapping
from typing import assert_never

from repwatch.drift.report import (
    Cell,
    ChangedRow,
    CountedRow,
    Difference,
    DriftReport,
    ExtraRow,
    Hex,
    MissingRow,
    ReplicaReport,
    SchemaDifference,
    TableExtra,
    TableMissing,
    TableReport,
)
from repwatch.render.drift_words import kind_of_difference
from repwatch.render.times import rfc3339

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


def drift_json(report: DriftReport) -> str:
    """The report as one JSON document."""
    return "".join(drift_json_pieces(report))


def drift_json_pieces(report: DriftReport) -> Iterator[str]:
    """The same in pieces, one for each table: of many tables the whole is large, and larger while it is made."""
    head: dict[str, Json] = {
        "schema_version": 1,
        "verdict": report.verdict.value,
        "started": rfc3339(report.started),
        "finished": rfc3339(report.finished),
        "source": {"server": report.source, "name": report.source_name},
    }
    if report.where is not None:
        head["where"] = report.where
    yield from _opened(head, "replicas")
    for number, replica in enumerate(report.replicas):
        yield "," if number else ""
        yield from _opened(_replica(replica), "tables")
        for place, table in enumerate(replica.tables):
            yield (",\n" if place else "") + _text(_table(table))
        yield "]}"
    yield "]}\n"


def _opened(head: dict[str, Json], last: str) -> Iterator[str]:
    """An object up to the beginning of its last member, which is a list."""
    yield f'{_text(head).removesuffix("}").rstrip()},\n "{last}": [\n'


def _text(value: Json) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _replica(replica: ReplicaReport) -> dict[str, Json]:
    """All but its tables."""
    document: dict[str, Json] = {
        "server": replica.server,
        "name": replica.name,
        "channel": replica.channel,
        "server_uuid": replica.server_uuid,
        "verdict": replica.verdict.value,
        "as_of": replica.as_of,
        "reason": replica.reason.value if replica.reason else None,
        "not_replicated": list(replica.not_replicated),
        "source": {"server": replica.source, "name": replica.source_name},
        "objects": [_difference(found) for found in replica.objects],
        "errant": replica.errant.gtids if replica.errant else None,
        "errant_tables": list(replica.errant.tables) if replica.errant else [],
    }
    if replica.not_compared:
        document["not_compared"] = [
            {"what": found.what, "server": found.server, "reason": found.reason.value, "grant": found.grant}
            for found in replica.not_compared
        ]
    return document


def _table(table: TableReport) -> Json:
    document: dict[str, Json] = {
        "schema": table.schema,
        "table": table.table,
        "verdict": table.verdict.value,
        "reason": table.reason.value if table.reason else None,
        "proof": table.proof.value if table.proof else None,
        "rows": table.rows,
        "rows_proved": table.rows_proved,
        "difference_count": table.difference_count,
        "causes": [{"cause": guess.cause.value, "columns": list(guess.columns), "rows": guess.rows} for guess in table.causes],
        "differences": [_difference(difference) for difference in table.differences],
    }
    if table.since is not None:
        document["read_since"] = rfc3339(table.since)
    if table.last_proved is not None:
        document["last_proved"] = rfc3339(table.last_proved)
    if table.there is not None:
        document["replica_table"] = table.there
    return document


def _difference(difference: Difference) -> Json:
    match difference:
        case ChangedRow():
            columns: dict[str, Json] = {
                name: {"source": _cell(pair.source), "replica": _cell(pair.replica)} for name, pair in difference.columns.items()
            }
            return {"kind": "changed", "key": _cells(difference.key), "columns": columns}
        case MissingRow() | ExtraRow():
            return {"kind": kind_of_difference(difference), "key": _cells(difference.key), "row": _cells(difference.row)}
        case CountedRow():
            return {
                "kind": kind_of_difference(difference),
                "key": None,
                "row": _cells(difference.row),
                "source_count": difference.source_count,
                "replica_count": difference.replica_count,
            }
        case SchemaDifference():
            return {
                "kind": "schema",
                "what": difference.what,
                "name": difference.name,
                "source": difference.source,
                "replica": difference.replica,
                "effect": difference.effect.value,
            }
        case TableMissing() | TableExtra():
            return {"kind": kind_of_difference(difference)}
        case _:
            assert_never(difference)


def _cells(cells: Mapping[str, Cell]) -> Json:
    return {name: _cell(cell) for name, cell in cells.items()}


def _cell(cell: Cell) -> Json:
    return {"hex": cell.digits} if isinstance(cell, Hex) else cell

"""Views, triggers, routines, events, sequences and schemas, out of `information_schema`: one statement for all of a kind."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from repwatch.model.schema import ObjectKind, ObjectName, SchemaObject
from repwatch.model.server import ServerVersion
from repwatch.sql.catalogue import SYSTEM_SCHEMAS
from repwatch.sql.quoting import quote_name, quote_text

Record = Mapping[str, str | None]
_USER = "NOT IN (" + ", ".join(map(quote_text, SYSTEM_SCHEMAS)) + ")"
SEQUENCES_AT_ONCE = 100  # one SELECT for so many


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """A statement, and what makes objects of its rows."""

    statement: str
    parse: Callable[[Sequence[Record]], Iterable[SchemaObject]]


def object_readers() -> tuple[ObjectReader, ...]:
    """Those of all kinds but routines, which need two statements, and sequences, which must be listed before.

    All columns are asked for, because versions differ in which there are.
    """
    return (
        ObjectReader(_all_of("SCHEMATA", "SCHEMA_NAME"), lambda records: map(_schema, records)),
        ObjectReader(_all_of("VIEWS", "TABLE_SCHEMA"), lambda records: map(_view, records)),
        ObjectReader(_all_of("TRIGGERS", "TRIGGER_SCHEMA"), lambda records: map(_trigger, records)),
        ObjectReader(_all_of("EVENTS", "EVENT_SCHEMA"), lambda records: map(_event, records)),
    )


def _all_of(view: str, schema: str) -> str:
    return f"SELECT * FROM information_schema.{view} WHERE {schema} {_USER}"


ROUTINES = _all_of("ROUTINES", "ROUTINE_SCHEMA")
PARAMETERS = f"{_all_of('PARAMETERS', 'SPECIFIC_SCHEMA')} ORDER BY ORDINAL_POSITION"
SEQUENCES = (
    f"SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA {_USER} "
    "AND TABLE_TYPE = 'SEQUENCE' ORDER BY 1, 2"
)


def has_sequences(version: ServerVersion) -> bool:
    """MariaDB has had them since 10.3."""
    return version.is_mariadb and version.at_least(10, 3)


def parse_routines(routines: Sequence[Record], parameters: Sequence[Record]) -> Iterator[SchemaObject]:
    """The answers to ROUTINES and PARAMETERS."""
    of: dict[tuple[str | None, ...], list[str]] = {}
    for record in parameters:
        of.setdefault(_key(record, "SPECIFIC_SCHEMA", "SPECIFIC_NAME", "ROUTINE_TYPE"), []).append(_parameter(record))
    for record in routines:
        yield _routine(record, of.get(_key(record, "ROUTINE_SCHEMA", "SPECIFIC_NAME", "ROUTINE_TYPE"), []))


def sequences_statement(names: Sequence[tuple[str, str]]) -> str:
    """The definition and the next value of sequences, a row each."""
    return " UNION ALL ".join(
        f"SELECT {quote_text(schema)} AS s, {quote_text(name)} AS n, q.* FROM {quote_name(schema)}.{quote_name(name)} AS q"
        for schema, name in names
    )


def parse_sequences(records: Sequence[Record]) -> Iterator[SchemaObject]:
    """The answer to `sequences_statement`. The value is an object of its own: it moves with every use."""
    for record in records:
        schema, name = record["s"] or "", record["n"] or ""
        clauses = tuple(
            (word, record.get(column) or "")
            for word, column in (
                ("START", "start_value"), ("MINVALUE", "minimum_value"), ("MAXVALUE", "maximum_value"),
                ("INCREMENT", "increment"), ("CACHE", "cache_size"), ("CYCLE", "cycle_option"),
            )
        )  # fmt: skip
        yield SchemaObject(name=ObjectName(ObjectKind.SEQUENCE, schema, name), body="", clauses=clauses)
        value = f"{record.get('next_not_cached_value')} in cycle {record.get('cycle_count')}"
        yield SchemaObject(name=ObjectName(ObjectKind.SEQUENCE_VALUE, schema, name), body=value)


def _schema(record: Record) -> SchemaObject:
    return SchemaObject(
        name=ObjectName(ObjectKind.SCHEMA, record["SCHEMA_NAME"] or "", ""),
        body="",
        clauses=_clauses(
            record,
            ("CHARACTER SET", "DEFAULT_CHARACTER_SET_NAME"),
            ("COLLATE", "DEFAULT_COLLATION_NAME"),
            ("ENCRYPTION", "DEFAULT_ENCRYPTION"),
            ("COMMENT", "SCHEMA_COMMENT"),
        ),
    )


def _view(record: Record) -> SchemaObject:
    return SchemaObject(
        name=ObjectName(ObjectKind.VIEW, record["TABLE_SCHEMA"] or "", record["TABLE_NAME"] or ""),
        body=record["VIEW_DEFINITION"] or None,
        clauses=_clauses(
            record, ("ALGORITHM", "ALGORITHM"), *_DEFINER, ("CHECK OPTION", "CHECK_OPTION"), *_CLIENT
        ),
    )  # fmt: skip


def _trigger(record: Record) -> SchemaObject:
    table = record["EVENT_OBJECT_TABLE"] or ""
    moment = f"{record['ACTION_TIMING']} {record['EVENT_MANIPULATION']} ON {quote_name(table)}"
    return SchemaObject(
        name=ObjectName(ObjectKind.TRIGGER, record["TRIGGER_SCHEMA"] or "", record["TRIGGER_NAME"] or ""),
        body=record["ACTION_STATEMENT"] or None,
        clauses=(("MOMENT", moment), *_clauses(record, ("ORDER", "ACTION_ORDER"), *_DEFINER, *_CLIENT, *_SETTINGS)),
        owner=table,
    )


def _event(record: Record) -> SchemaObject:
    return SchemaObject(
        name=ObjectName(ObjectKind.EVENT, record["EVENT_SCHEMA"] or "", record["EVENT_NAME"] or ""),
        body=record["EVENT_DEFINITION"] or None,
        clauses=(
            ("SCHEDULE", _schedule(record)),
            *_clauses(
                record, ("STATUS", "STATUS"), ("ON COMPLETION", "ON_COMPLETION"), ("TIME ZONE", "TIME_ZONE"),
                ("COMMENT", "EVENT_COMMENT"), *_DEFINER, *_CLIENT, *_SETTINGS,
            ),
        ),
    )  # fmt: skip


def _schedule(record: Record) -> str:
    if record["EXECUTE_AT"]:
        return f"AT {record['EXECUTE_AT']}"
    limits = "".join(f" {word} {record[word]}" for word in ("STARTS", "ENDS") if record[word])
    return f"EVERY {record['INTERVAL_VALUE']} {record['INTERVAL_FIELD']}{limits}"


def _routine(record: Record, parameters: Sequence[str]) -> SchemaObject:
    kind = ObjectKind((record["ROUTINE_TYPE"] or "").lower().replace(" ", "-"))
    language = record.get("EXTERNAL_LANGUAGE")
    return SchemaObject(
        name=ObjectName(kind, record["ROUTINE_SCHEMA"] or "", record["ROUTINE_NAME"] or ""),
        body=record["ROUTINE_DEFINITION"] or None,
        clauses=(
            ("PARAMETERS", f"({', '.join(parameters)})"),
            ("LANGUAGE", language if language and language != "SQL" else ""),
            *_clauses(
                record, ("DETERMINISTIC", "IS_DETERMINISTIC"), ("DATA ACCESS", "SQL_DATA_ACCESS"),
                ("COMMENT", "ROUTINE_COMMENT"), *_DEFINER, *_CLIENT, *_SETTINGS,
            ),
        ),
    )  # fmt: skip


def _parameter(record: Record) -> str:
    """What a function returns is its parameter 0. A display width of integers is printed by some versions only."""
    kind = re.sub(r"(int)\(\d+\)", r"\1", record["DTD_IDENTIFIER"] or "")
    text = " CHARACTER SET ".join(filter(None, (kind, record["CHARACTER_SET_NAME"])))
    text = " COLLATE ".join(filter(None, (text, record["COLLATION_NAME"])))
    default = record.get("PARAMETER_DEFAULT")
    words = (record["PARAMETER_MODE"] or "RETURNS", record["PARAMETER_NAME"], text, f"DEFAULT {default}" if default else None)
    return " ".join(filter(None, words))


_DEFINER = (("DEFINER", "DEFINER"), ("SQL SECURITY", "SECURITY_TYPE"))
_CLIENT = (("character_set_client", "CHARACTER_SET_CLIENT"), ("collation_connection", "COLLATION_CONNECTION"))
_SETTINGS = (("sql_mode", "SQL_MODE"), ("database collation", "DATABASE_COLLATION"))


def _clauses(record: Record, *columns: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Those that the server has a column for."""
    return tuple((word, record[column] or "") for word, column in columns if column in record)


def _key(record: Record, *columns: str) -> tuple[str | None, ...]:
    return tuple(record[column] for column in columns)

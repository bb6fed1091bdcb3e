"""Reading how a server's schemas are defined, so that they can be made again elsewhere: SHOW CREATE and what goes with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_name, quote_text

SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")


class Kind(StrEnum):
    """What a definition makes, in the order in which they are made: data comes after TABLE and before ROUTINE."""

    SCHEMA = "schema"
    SEQUENCE = "sequence"
    TABLE = "table"
    PACKAGE = "package"
    PACKAGE_BODY = "package body"
    FUNCTION = "function"
    PROCEDURE = "procedure"
    VIEW = "view"
    TRIGGER = "trigger"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One object and the statement that makes it, with the session settings under which it was made ("" where none)."""

    kind: Kind
    schema: str
    name: str  # "" for a schema
    statement: str
    sql_mode: str | None = None
    charset: str = ""
    collation: str = ""
    time_zone: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.schema}.{self.name}" if self.name else f"{self.kind.value} {self.schema}"


# Names of all objects, one row (kind, schema, name) each. Triggers stand in the order in which they fire, with their tables.
_SYSTEM = ", ".join(map(quote_text, SYSTEM_SCHEMAS))
LIST_SCHEMAS = f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({_SYSTEM}) ORDER BY 1"
LIST_TABLES = (
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, TABLE_TYPE AS t, ENGINE AS e, TABLE_ROWS AS r, DATA_LENGTH AS d "
    f"FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ({_SYSTEM}) ORDER BY 1, 2"
)
LIST_ROUTINES = (
    "SELECT ROUTINE_SCHEMA AS s, ROUTINE_NAME AS n, ROUTINE_TYPE AS t FROM information_schema.ROUTINES "
    f"WHERE ROUTINE_SCHEMA NOT IN ({_SYSTEM}) ORDER BY 1, 2, 3"
)
LIST_TRIGGERS = (
    "SELECT TRIGGER_SCHEMA AS s, TRIGGER_NAME AS n, 'TRIGGER' AS t, EVENT_OBJECT_TABLE AS o FROM information_schema.TRIGGERS "
    f"WHERE TRIGGER_SCHEMA NOT IN ({_SYSTEM}) "
    "ORDER BY EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
)
LIST_EVENTS = (
    "SELECT EVENT_SCHEMA AS s, EVENT_NAME AS n, 'EVENT' AS t FROM information_schema.EVENTS "
    f"WHERE EVENT_SCHEMA NOT IN ({_SYSTEM}) ORDER BY 1, 2"
)
# Both ends of each foreign key.
LIST_FOREIGN_KEYS = (
    "SELECT DISTINCT TABLE_SCHEMA AS s, TABLE_NAME AS n, REFERENCED_TABLE_SCHEMA AS rs, REFERENCED_TABLE_NAME AS rn "
    "FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL "
    f"AND TABLE_SCHEMA NOT IN ({_SYSTEM})"
)
LIST_COLUMNS = (
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, COLUMN_NAME AS c, DATA_TYPE AS t, COLUMN_TYPE AS ct, IS_NULLABLE AS nu, "
    "CHARACTER_SET_NAME AS cs, GENERATION_EXPRESSION AS g, EXTRA AS x FROM information_schema.COLUMNS "
    f"WHERE TABLE_SCHEMA NOT IN ({_SYSTEM}) ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
)
LIST_PRIMARY_KEYS = (
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, COLUMN_NAME AS c, SUB_PART AS p FROM information_schema.STATISTICS "
    f"WHERE INDEX_NAME = 'PRIMARY' AND TABLE_SCHEMA NOT IN ({_SYSTEM}) ORDER BY TABLE_SCHEMA, TABLE_NAME, SEQ_IN_INDEX"
)


def reader_setup(version: ServerVersion) -> tuple[str, ...]:
    """For a session that reads definitions: MySQL's cached statistics and hidden generated keys are switched off and on."""
    common = "SET SESSION sql_quote_show_create = 1, wait_timeout = 86400"
    if version.is_mariadb:
        return (common,)
    setup = [f"{common}, information_schema_stats_expiry = 0"]
    if version.at_least(8, 0, 30):
        setup.append("SET SESSION show_gipk_in_create_table_and_information_schema = ON")
    return tuple(setup)


def show_create(kind: Kind, schema: str, name: str) -> str:
    """The statement that shows how an object was made."""
    if kind is Kind.SCHEMA:
        return f"SHOW CREATE DATABASE {quote_name(schema)}"
    return f"SHOW CREATE {kind.value.upper()} {quote_name(schema)}.{quote_name(name)}"


_STATEMENT_COLUMNS = {
    Kind.SCHEMA: ("Create Database",),
    Kind.SEQUENCE: ("Create Table",),
    Kind.TABLE: ("Create Table",),
    Kind.PACKAGE: ("Create Package",),
    Kind.PACKAGE_BODY: ("Create Package Body",),
    Kind.FUNCTION: ("Create Function",),
    Kind.PROCEDURE: ("Create Procedure",),
    Kind.VIEW: ("Create View",),
    Kind.TRIGGER: ("SQL Original Statement",),
    Kind.EVENT: ("Create Event",),
}


def definition(kind: Kind, schema: str, name: str, row: Mapping[str, str | None]) -> Definition | None:
    """The answer to `show_create`. None where the account may not see the statement."""
    statement = next((row[column] for column in _STATEMENT_COLUMNS[kind] if row.get(column)), None)
    if statement is None:
        return None
    return Definition(
        kind=kind,
        schema=schema,
        name=name,
        statement=statement,
        sql_mode=row.get("sql_mode"),
        charset=row.get("character_set_client") or "",
        collation=row.get("collation_connection") or "",
        time_zone=row.get("time_zone") or "",
    )


# The next AUTO_INCREMENT value moves with every insert and is no part of what a table is.
_AUTO_INCREMENT = re.compile(r"^(\) ENGINE=\S+) AUTO_INCREMENT=\d+", re.MULTILINE)
_COUNTER = re.compile(r"^\) ENGINE=\S+ AUTO_INCREMENT=(\d+)", re.MULTILINE)


def without_counters(statement: str) -> str:
    """A CREATE TABLE without its AUTO_INCREMENT option, to compare two readings of it."""
    return _AUTO_INCREMENT.sub(r"\1", statement)


# The first match is the server's own clause: it stands before the body, which begins after DO.
_EVENT_STATUS = re.compile(r"(ON COMPLETION (?:NOT )?PRESERVE) (?:ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA)\b")


def event_on_replica(statement: str, version: ServerVersion) -> str:
    """A CREATE EVENT that is disabled on a replica as replication itself would have made it; DISABLE stays DISABLE.

    Enabled, it would run on both servers (MySQL manual, "Replication of Invoked Features"). MySQL renamed the clause in 8.2.
    """
    word = "REPLICA" if not version.is_mariadb and version.at_least(8, 2) else "SLAVE"
    return _EVENT_STATUS.sub(rf"\1 DISABLE ON {word}", statement, count=1)


def creation_setup(item: Definition) -> str:
    """The session settings under which `item` must be made.

    A statement in another character set than ours keeps its settings where its text is the same bytes in both.
    """
    settings = [f"sql_mode = {quote_text('NO_AUTO_VALUE_ON_ZERO,NO_DIR_IN_CREATE' if item.sql_mode is None else item.sql_mode)}"]
    if item.charset and (item.statement.isascii() or item.charset.startswith("utf8")):
        settings.append(f"character_set_client = {quote_text(item.charset)}")
    if item.collation:
        settings.append(f"collation_connection = {quote_text(item.collation)}")
    settings.append(f"time_zone = {quote_text(item.time_zone or '+00:00')}")
    return "SET SESSION " + ", ".join(settings)


# Back to what every session of ours has; a statement must never meet the settings of the object before it.
CREATION_RESET = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+00:00'"


def use(schema: str) -> str:
    """The default schema, which SHOW CREATE leaves out of the names of routines, triggers and referenced tables."""
    return f"USE {quote_name(schema)}"


def next_of_sequence(schema: str, name: str) -> str:
    """MariaDB: the first value that a sequence has not handed out to a cache."""
    return f"SELECT next_not_cached_value FROM {quote_name(schema)}.{quote_name(name)}"


def position_sequence(schema: str, name: str, value: int) -> str:
    """MariaDB: make `value` the next one."""
    return f"SELECT SETVAL({quote_name(schema)}.{quote_name(name)}, {value}, 0)"


def drop(kind: Kind, schema: str, name: str) -> str:
    """Drop one object of a schema."""
    return f"DROP {kind.value.upper()} IF EXISTS {quote_name(schema)}.{quote_name(name)}"


def truncate(schema: str, name: str) -> str:
    """Empty a table."""
    return f"TRUNCATE TABLE {quote_name(schema)}.{quote_name(name)}"


def alter_schema(item: Definition) -> str:
    """Give a schema that exists the options of `item`, whose SHOW CREATE names all but an empty comment."""
    options = item.statement.removeprefix(f"CREATE DATABASE {quote_name(item.schema)}")
    return f"ALTER DATABASE {quote_name(item.schema)}{options}"


def counter_of(statement: str) -> int | None:
    """The next AUTO_INCREMENT value in a CREATE TABLE; None where it has none or is at its beginning."""
    found = _COUNTER.search(statement)
    return int(found[1]) if found else None


def set_counter(schema: str, name: str, value: int) -> str:
    """Make `value` the next AUTO_INCREMENT; where greater ones are in use, the one after those."""
    return f"ALTER TABLE {quote_name(schema)}.{quote_name(name)} AUTO_INCREMENT = {value}"


def drop_schema(schema: str) -> str:
    """Drop a schema with all that is in it."""
    return f"DROP DATABASE IF EXISTS {quote_name(schema)}"

"""Definitions: what counts as a change, and how an event arrives on a replica."""

import pytest

from repwatch.model.server import ServerVersion
from repwatch.sql import definitions
from repwatch.sql.definitions import Definition, Kind, creation_setup, event_on_replica, without_counters
from repwatch.sql.quoting import quote_name

MYSQL = ServerVersion.parse("9.7.0")
OLD = ServerVersion.parse("8.0.36")
MARIADB = ServerVersion.parse("10.11.6-MariaDB")
EVENT = "CREATE DEFINER=`r`@`%` EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2024-01-01' ON COMPLETION {} {} {}DO SELECT 1"


@pytest.mark.parametrize("preserve", ["PRESERVE", "NOT PRESERVE"])
@pytest.mark.parametrize("status", ["ENABLE", "DISABLE ON SLAVE", "DISABLE ON REPLICA"])
@pytest.mark.parametrize(
    ("version", "clause"), [(MYSQL, "DISABLE ON REPLICA"), (OLD, "DISABLE ON SLAVE"), (MARIADB, "DISABLE ON SLAVE")]
)
def test_an_enabled_event_arrives_disabled(preserve: str, status: str, version: ServerVersion, clause: str) -> None:
    comment = "COMMENT 'ON COMPLETION PRESERVE ENABLE' "
    assert event_on_replica(EVENT.format(preserve, status, comment), version) == EVENT.format(preserve, clause, comment)


def test_a_disabled_event_stays_disabled() -> None:
    text = EVENT.format("PRESERVE", "DISABLE", "COMMENT 'x' ")
    assert event_on_replica(text, MYSQL) == text


def test_only_the_counter_of_a_table_is_left_out() -> None:
    text = "CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=x AUTO_INCREMENT=5'\n) ENGINE=InnoDB AUTO_INCREMENT=42 CHARSET=utf8"
    assert without_counters(text) == text.replace(" AUTO_INCREMENT=42", "")


def definition(statement: str, charset: str) -> Definition:
    return Definition(
        kind=Kind.PROCEDURE, schema="s", name="p", statement=statement, sql_mode="ANSI_QUOTES", charset=charset, collation="c"
    )


@pytest.mark.parametrize(
    ("statement", "charset", "kept"),
    [("SELECT 'a'", "latin1", True), ("SELECT 'ü'", "utf8mb3", True), ("SELECT 'ü'", "latin1", False)],
)
def test_a_character_set_is_kept_where_the_bytes_are_the_same(statement: str, charset: str, kept: bool) -> None:
    assert (f"character_set_client = '{charset}'" in creation_setup(definition(statement, charset))) is kept


def test_the_mode_under_which_it_was_made_is_kept() -> None:
    assert "sql_mode = 'ANSI_QUOTES'" in creation_setup(definition("SELECT 1", "utf8mb4"))


MARIADB_TABLE = """CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT ') ENGINE=X AUTO_INCREMENT=7',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4"""


def test_a_counter_is_read_from_where_the_server_writes_it() -> None:
    assert definitions.counter_of(MARIADB_TABLE) == 42
    assert definitions.counter_of(definitions.without_counters(MARIADB_TABLE)) is None


@pytest.mark.parametrize("schema", ["shop", "sh`op", "CREATE DATABASE"])
def test_a_schema_gets_the_options_of_another(schema: str) -> None:
    options = " /*!40100 DEFAULT CHARACTER SET latin1 */ /*!80016 DEFAULT ENCRYPTION='N' */"
    item = Definition(kind=Kind.SCHEMA, schema=schema, name="", statement=f"CREATE DATABASE {quote_name(schema)}{options}")
    assert definitions.alter_schema(item) == f"ALTER DATABASE {quote_name(schema)}{options}"

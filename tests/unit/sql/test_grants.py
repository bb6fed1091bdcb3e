"""Privileges that are held and that are missing, from what SHOW GRANTS prints."""

import pytest

from repwatch.model.server import ServerVersion
from repwatch.sql.grants import account_literal, covered_by_schemas, held, missing, statement
from repwatch.sql.privileges import Grant, operator_needs, watch_grants, watch_needs

MARIADB = ServerVersion.parse("10.11.14-MariaDB")
MARIADB_11 = ServerVersion.parse("11.4.2-MariaDB")
MYSQL = ServerVersion.parse("9.7.0")
STATIC = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SUPER, CREATE TEMPORARY TABLES, "
    "LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, "
    "CREATE USER, EVENT, TRIGGER"
)
ROOT_MYSQL = [
    f"GRANT {STATIC} ON *.* TO `root`@`%` WITH GRANT OPTION",
    "GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `root`@`%` WITH GRANT OPTION",
    "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
]
EVERYTHING = {privilege for grant in watch_needs(MYSQL) for privilege in grant.privileges}


def lacking(lines: list[str], version: ServerVersion = MYSQL) -> set[str]:
    return {privilege for grant in missing(watch_needs(version), held(lines, version)) for privilege in grant.privileges}


@pytest.mark.parametrize(
    ("lines", "version", "wanted"),
    [
        (ROOT_MYSQL, MYSQL, set()),
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED VIA unix_socket WITH GRANT OPTION"], MARIADB, set()),
        (["GRANT USAGE ON *.* TO `u`@`%`"], MYSQL, EVERYTHING),
        ([line.format(account="`u`@`%`") for line in watch_grants(MYSQL)], MYSQL, set()),
        ([line.format(account="`u`@`%`") for line in watch_grants(MARIADB)], MARIADB, set()),
        (["GRANT SELECT, PROCESS, BINLOG MONITOR, SHOW VIEW, EVENT, TRIGGER ON *.* TO `u`@`%`"], MARIADB, {"SLAVE MONITOR"}),
        (
            ["GRANT SELECT, PROCESS, REPLICATION CLIENT, SHOW VIEW, EVENT ON *.* TO `u`@`%`", "GRANT SHOW_ROUTINE ON *.* TO `u`"],
            MYSQL,
            {"TRIGGER"},
        ),
        (["GRANT SELECT ON `a`.`t` TO `u`@`%`", "GRANT SELECT (x) ON `a`.`t` TO `u`@`%`"], MYSQL, EVERYTHING),
    ],
)  # fmt: skip
def test_what_is_missing(lines: list[str], version: ServerVersion, wanted: set[str]) -> None:
    assert lacking(lines, version) == wanted


def test_super_still_stands_for_its_parts_before_mariadb_11() -> None:
    line = ["GRANT SUPER ON *.* TO `u`@`%`"]
    parts = {"BINLOG ADMIN", "READ_ONLY ADMIN", "SET USER"}

    def lacks(version: ServerVersion) -> set[str]:
        return {p for grant in missing(operator_needs(version), held(line, version)) for p in grant.privileges}

    assert not parts & lacks(MARIADB)
    assert parts <= lacks(MARIADB_11)


def test_privileges_on_some_schemas_are_told_by_their_names() -> None:
    lines = [
        "GRANT SELECT, SHOW VIEW ON `shop`.* TO `u`@`%`",
        "GRANT SELECT ON `a``b`.* TO `u`@`%`",
        "GRANT SELECT, SHOW VIEW ON `mysql`.* TO `u`@`%`",
    ]
    holds = held(lines, MYSQL)
    assert covered_by_schemas([Grant(("SELECT",))], holds) == ("a`b", "shop")
    assert covered_by_schemas([Grant(("SELECT", "SHOW VIEW"))], holds) == ("shop",)
    assert covered_by_schemas([Grant(("PROCESS",))], holds) == ()


def test_the_account_is_written_as_grant_wants_it() -> None:
    assert account_literal("o'hara@home@10.%") == r"'o\'hara@home'@'10.%'"
    assert statement(Grant(("PROCESS",)), "u@%") == "GRANT PROCESS ON *.* TO 'u'@'%';"

"""What doctor says of servers: each remark where it belongs, and nothing where nothing is wrong."""

from dataclasses import replace

import pytest

from repwatch.health.checkup import Failed, Level, Login, Look, Topic
from repwatch.health.checkup_rules import check_cluster
from repwatch.health.upstream import agreed_source, leads_to
from repwatch.model.endpoint import Endpoint
from repwatch.model.observation import DiskSpace
from repwatch.model.server import Address
from repwatch.sql.filters import DatabaseFilters
from tests.unit.health.looks import MARIADB, MYSQL, channel, cluster, look, server

TWO = cluster(server("db1"), server("db2"))


def remarks(results: dict[str, Look | Failed], level: Level = Level.PROBLEM) -> set[tuple[str | None, Topic]]:
    """Server and topic of the remarks of that level, but for the operator account that nobody has here, and disks."""
    wanted = cluster(*(server(name) for name in results))
    checkup = check_cluster(wanted, results)
    found = {(one.name, remark.topic) for one in checkup.servers for remark in one.remarks if remark.level is level}
    return {(name, topic) for name, topic in found if topic not in (Topic.OPERATOR, Topic.DISK)}


@pytest.mark.parametrize("version", ["9.7.0", "8.4.2", "26.10.0", MARIADB, "11.8.3-MariaDB"])
def test_nothing_is_said_of_servers_that_have_nothing(version: str) -> None:
    results: dict[str, Look | Failed] = {
        "db1": look("db1", version=version),
        "db2": look("db2", channel("db1:3306", source_id=1), version=version),
    }
    assert remarks(results) == set()
    assert remarks(results, Level.NOTE) == set()


@pytest.mark.parametrize(
    ("version", "disks", "level"),
    [
        (MYSQL, None, Level.NOTE),
        (MARIADB, None, Level.NOTE),  # no plugin
        (MARIADB, (), Level.NOTE),  # no privilege
        (MARIADB, (DiskSpace(path="/", used=1, free=1),), Level.GOOD),
    ],
)
def test_whether_a_disk_is_seen_before_it_is_full(version: str, disks: tuple[DiskSpace, ...] | None, level: Level) -> None:
    checkup = check_cluster(cluster(server("db1")), {"db1": replace(look("db1", version=version), disks=disks)})
    assert [remark.level for remark in checkup.servers[0].remarks if remark.topic is Topic.DISK] == [level]


@pytest.mark.parametrize("version", [MYSQL, MARIADB])
@pytest.mark.parametrize("logged", [DatabaseFilters(do=("a", "b")), DatabaseFilters(ignore=("a",))])
def test_what_a_source_does_not_log_is_noted(version: str, logged: DatabaseFilters) -> None:
    source = replace(look("db1", version=version), logged=logged)
    replica = replace(look("db2", channel("db1:3306", source_id=1), version=version), logged=logged)
    assert remarks({"db1": source, "db2": replica}, Level.NOTE) == {("db1", Topic.BINLOG)}


@pytest.mark.parametrize("version", ["9.7.0", MARIADB])
def test_who_may_restart_threads_must_be_able_to(version: str) -> None:
    wanted = replace(cluster(server("db1"), server("db2", operator=Endpoint(Address("db2", 3306), "op"))), restart_transient=True)
    replica = look("db2", channel("db1:3306", source_id=1), version=version)
    admin = "REPLICATION SLAVE ADMIN" if version == MARIADB else "REPLICATION_SLAVE_ADMIN"
    monitor = "BINLOG MONITOR, SLAVE MONITOR" if version == MARIADB else "REPLICATION CLIENT"
    for grants, level in (((monitor,), Level.PROBLEM), ((monitor, admin), Level.GOOD)):
        login = Login(user="op@%", grants=tuple(f"GRANT {privilege} ON *.* TO `op`@`%`" for privilege in grants))
        checkup = check_cluster(wanted, {"db1": look("db1", version=version), "db2": replace(replica, operator=login)})
        found = {one.name: [remark for remark in one.remarks if remark.topic is Topic.RESTART] for one in checkup.servers}
        assert found["db1"] == []
        (remark,) = found["db2"]
        assert remark.level is level
        assert remark.grants == ((f"GRANT {admin} ON *.* TO 'op'@'%';",) if level is Level.PROBLEM else ())


@pytest.mark.parametrize(
    ("source", "replica", "problem"),
    [
        ({"server_id": "0"}, {}, ("db1", Topic.SERVER_ID)),
        ({"log_bin": "OFF"}, {}, ("db1", Topic.BINLOG)),
        ({"gtid_mode": "OFF"}, {}, ("db1", Topic.GTID)),
        ({}, {"gtid_mode": "OFF_PERMISSIVE"}, ("db2", Topic.GTID)),
    ],
)
def test_settings_that_break_replication_are_problems(
    source: dict[str, str], replica: dict[str, str], problem: tuple[str, Topic]
) -> None:
    results: dict[str, Look | Failed] = {
        "db1": look("db1", **source),  # type: ignore[arg-type]
        "db2": look("db2", channel("db1:3306", uuid="uuid-db1"), **replica),  # type: ignore[arg-type]
    }
    assert remarks(results) == {problem}


@pytest.mark.parametrize(
    ("source", "replica", "note"),
    [
        ({"binlog_format": "STATEMENT"}, {}, ("db1", Topic.BINLOG)),
        ({"binlog_row_image": "MINIMAL"}, {}, ("db1", Topic.BINLOG)),
        ({"read_only": "ON"}, {}, ("db1", Topic.READ_ONLY)),
        ({}, {"read_only": "OFF"}, ("db2", Topic.READ_ONLY)),
        ({}, {"lower_case_table_names": "1"}, ("db2", Topic.TABLE_NAMES)),
        ({"time_zone": "+02:00"}, {}, ("db2", Topic.TIME_ZONE)),
        ({}, {"log_replica_updates": "ON", "sync_binlog": "0"}, ("db2", Topic.DURABILITY)),
        ({"version": "9.7.0"}, {"version": "8.4.0"}, ("db2", Topic.VERSION)),
        ({"version": MARIADB}, {"version": "9.7.0"}, ("db2", Topic.VERSION)),
    ],
)
def test_settings_that_are_worth_knowing_are_notes(
    source: dict[str, str], replica: dict[str, str], note: tuple[str, Topic]
) -> None:
    results: dict[str, Look | Failed] = {"db1": look("db1", **source), "db2": look("db2", channel("db1:3306"), **replica)}  # type: ignore[arg-type]
    assert remarks(results) == set()
    assert remarks(results, Level.NOTE) == {note}


@pytest.mark.parametrize(
    ("version", "replica", "noted"),
    [
        (MYSQL, {"log_replica_updates": "ON", "sync_binlog": "0"}, True),
        ("5.7.44", {"log_slave_updates": "ON", "innodb_flush_log_at_trx_commit": "2"}, True),
        (MYSQL, {"log_replica_updates": "ON", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1"}, False),
        (MYSQL, {"log_replica_updates": "ON"}, False),
        (MYSQL, {"sync_binlog": "0"}, False),
        (MYSQL, {"log_replica_updates": "ON", "gtid_mode": "OFF", "sync_binlog": "0"}, False),
        (MARIADB, {"log_slave_updates": "ON", "sync_binlog": "0"}, False),
    ],
)
def test_a_replica_whose_position_does_not_outlive_a_crash(version: str, replica: dict[str, str], noted: bool) -> None:
    two = look("db2", channel("db1:3306"), version=version, **replica)  # type: ignore[arg-type]
    results: dict[str, Look | Failed] = {"db1": look("db1", version=version, sync_binlog="0"), "db2": two}
    assert (("db2", Topic.DURABILITY) in remarks(results, Level.NOTE)) is noted
    assert ("db1", Topic.DURABILITY) not in remarks(results, Level.NOTE)


def test_a_replica_may_be_writable_where_that_is_said() -> None:
    wanted = cluster(server("db1"), server("db2", writable=True))
    checkup = check_cluster(wanted, {"db1": look("db1"), "db2": look("db2", channel("db1:3306"), read_only="OFF")})
    assert not [remark for one in checkup.servers for remark in one.remarks if remark.topic is Topic.READ_ONLY]


def test_equal_server_ids_of_two_servers_are_a_problem_of_both() -> None:
    results: dict[str, Look | Failed] = {
        "db1": look("db1"),
        "db2": look("db2", channel("db1:3306"), server_id="7"),
        "db3": look("db3", channel("db1:3306"), server_id="7"),
    }
    assert remarks(results) == {("db2", Topic.SERVER_ID), ("db3", Topic.SERVER_ID)}


@pytest.mark.parametrize("version", ["9.7.0", MARIADB])
def test_one_server_under_two_names_is_no_matter_of_server_ids(version: str) -> None:
    same = look("db2", channel("db1:3306"), version=version)
    results: dict[str, Look | Failed] = {
        "db1": look("db1", version=version),
        "db2": same,
        "db3": replace(same, address=same.address),
    }
    assert remarks(results) == {("db2", Topic.SAME_SERVER), ("db3", Topic.SAME_SERVER)}


def test_a_server_that_is_no_replica_is_told() -> None:
    assert remarks({"db1": look("db1"), "db2": look("db2")}) == {("db2", Topic.REPLICATION)}


def test_a_replica_of_somewhere_else_is_told_and_where_the_source_is_not_seen_it_is_not() -> None:
    elsewhere = look("db2", channel("other:3306", uuid="uuid-other"))
    assert remarks({"db1": look("db1"), "db2": elsewhere}) == {("db2", Topic.REPLICATION)}
    assert remarks({"db1": Failed(text="down"), "db2": elsewhere}) == {("db1", Topic.CONNECTION)}


@pytest.mark.parametrize(("version", "notes"), [("8.0.21", {("db1", Topic.PRIVILEGES)}), ("8.0.22", set()), (MARIADB, set())])
def test_locking_reads_want_more_of_old_servers_alone(version: str, notes: set[tuple[str, Topic]]) -> None:
    results: dict[str, Look | Failed] = {
        "db1": look("db1", version=version),
        "db2": look("db2", channel("db1:3306"), version=version),
    }
    assert (remarks(results), remarks(results, Level.NOTE)) == (set(), notes)


def test_missing_privileges_come_with_their_statements() -> None:
    checkup = check_cluster(TWO, {"db1": look("db1", grants=("GRANT SELECT ON *.* TO `repwatch`@`%`",)), "db2": Failed(text="x")})
    (remark,) = [remark for remark in checkup.servers[0].remarks if remark.topic is Topic.PRIVILEGES]
    assert remark.level is Level.PROBLEM
    assert remark.grants == (
        "GRANT REPLICATION CLIENT, PROCESS, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'repwatch'@'%';",
        "GRANT SHOW_ROUTINE ON *.* TO 'repwatch'@'%';",
    )


def test_an_account_for_some_schemas_is_worth_a_note() -> None:
    lines = (
        "GRANT REPLICATION CLIENT, PROCESS ON *.* TO `repwatch`@`%`",
        "GRANT SHOW_ROUTINE ON *.* TO `repwatch`@`%`",
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.* TO `repwatch`@`%`",
    )
    results: dict[str, Look | Failed] = {"db1": look("db1", grants=lines), "db2": look("db2", channel("db1:3306"))}
    assert remarks(results) == set()
    assert remarks(results, Level.NOTE) == {("db1", Topic.PRIVILEGES)}


@pytest.mark.parametrize(
    ("way", "version", "leads"),
    [
        (channel("10.0.0.1:3306", uuid="uuid-db1"), "9.7.0", True),  # another address of the same server
        (channel("db1:3306", uuid="uuid-db9"), "9.7.0", False),  # the same address, another server: a NAT, a tunnel
        (channel("10.0.0.1:3306", source_id=1), MARIADB, True),
        (channel("10.0.0.1:3306", source_id=1, connected=False), MARIADB, False),  # MariaDB keeps the old id
        (channel("10.0.0.1:3306", source_id=9), MARIADB, False),
        (channel("db1:3306", connected=False), MARIADB, True),
        (channel("DB1:3306"), MARIADB, True),
        (channel("db1:3307"), MARIADB, False),
    ],
)
def test_a_source_is_known_by_what_it_is_rather_than_by_its_address(way: object, version: str, leads: bool) -> None:
    assert leads_to(way, look("db1", version=version)) is leads  # type: ignore[arg-type]


def test_the_replicas_agree_on_the_top_of_the_chain() -> None:
    chain = {
        "db1": look("db1"),
        "db2": look("db2", channel("db1:3306", uuid="uuid-db1")),
        "db3": look("db3", channel("db2:3306", uuid="uuid-db2")),
    }
    assert agreed_source(chain) == "db1"


def test_no_source_is_agreed_on_where_two_have_replicas_or_none_of_a_ring_is_writable() -> None:
    two = {
        "db1": look("db1"),
        "db2": look("db2"),
        "db3": look("db3", channel("db1:3306")),
        "db4": look("db4", channel("db2:3306")),
    }
    assert agreed_source(two) is None
    assert agreed_source(two | {"db5": look("db5", channel("db1:3306"))}) is None
    ring = {"db1": look("db1", channel("db2:3306")), "db2": look("db2", channel("db1:3306"))}
    assert agreed_source(ring) is None
    assert agreed_source(ring | {"db1": look("db1", channel("db2:3306"), read_only="OFF")}) == "db1"

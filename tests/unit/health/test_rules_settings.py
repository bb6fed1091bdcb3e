"""Rules about settings, filters, a read-only source and semi-synchronous replication."""

from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.rules import diagnose
from repwatch.health.rules_semisync import REMEMBERED
from repwatch.health.world import World
from repwatch.model.past import Fallback, Past
from repwatch.model.risks import Risks, SemiSync
from repwatch.model.server import Flavour, ServerVersion
from tests.unit.health.worlds import NOW, channel, observation, spec, star, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))


def codes(made: World) -> list[tuple[str, str]]:
    return [(f.subject.server.removesuffix(":3306").replace("10.0.0.", "db"), f.subject.code.value) for f in diagnose(made)]


@FLAVOURS
@pytest.mark.parametrize(
    ("on_source", "on_replica", "found"),
    [
        ({"sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1"}, {"sync_binlog": "0"}, []),
        ({"sync_binlog": "0"}, {}, ["db1"]),
        ({"innodb_flush_log_at_trx_commit": "2"}, {"innodb_flush_log_at_trx_commit": "2"}, ["db1"]),
        ({"innodb_flush_log_at_trx_commit": "3"}, {}, []),  # MariaDB's strictest
        ({"binlog_format": "statement"}, {"binlog_format": "statement"}, ["db1"]),
        ({"binlog_format": "mixed"}, {}, []),
        ({"binlog_format": "row"}, {"binlog_format": "statement"}, ["db2"]),  # after a failover to it
        ({"binlog_format": "row"}, {"binlog_format": "mixed"}, []),
        ({}, {"binlog_format": "statement"}, []),
        ({"binlog_row_image": "minimal", "binlog_format": "row"}, {"binlog_row_image": "minimal"}, ["db1"]),
        ({"binlog_row_image": "noblob"}, {}, ["db1"]),
        ({"binlog_row_image": "minimal", "binlog_format": "mixed"}, {}, ["db1"]),
        ({"binlog_row_image": "full"}, {"binlog_row_image": "minimal"}, []),
        ({"binlog_row_image": "full_nodup"}, {}, []),  # MariaDB: FULL, with what did not change once
        ({"gtid_mode": "on"}, {"gtid_mode": "on_permissive"}, ["db2"]),
        ({"gtid_mode": "off"}, {"gtid_mode": "off"}, []),
        ({}, {"gtid_mode": "on"}, []),
        ({"replica_exec_mode": "idempotent"}, {"replica_exec_mode": "idempotent"}, ["db2"]),
        ({}, {"replica_skip_errors": "1062,1032"}, ["db2"]),
        ({}, {"replica_skip_errors": "off", "replica_exec_mode": "strict"}, []),
        ({"replica_type_conversions": "all_lossy"}, {}, []),
        ({}, {"replica_type_conversions": "all_unsigned,all_lossy"}, ["db2"]),
        ({}, {"replica_type_conversions": "all_non_lossy"}, []),
        ({}, {"relay_log_recovery": "0"}, []),  # with GTIDs it does not matter
        ({}, {}, []),
    ],
)
def test_unsafe_settings(flavour: Flavour, on_source: dict[str, str], on_replica: dict[str, str], found: list[str]) -> None:
    source = observation(flavour, 1, risks=Risks(settings=on_source))
    replica = observation(flavour, 2, channel(flavour, 1), risks=Risks(settings=on_replica))
    assert codes(world([source, replica])) == [(name, "unsafe-settings") for name in found]


@FLAVOURS
@pytest.mark.parametrize(
    ("on_source", "on_replica", "found"),
    [
        ({"binlog_do_db": "Shop,CRM"}, {}, {"binlog_do_db": "Shop,CRM"}),
        ({"binlog_ignore_db": "tmp"}, {"binlog_ignore_db": "other"}, {"binlog_ignore_db": "tmp"}),
        ({}, {"binlog_ignore_db": "tmp"}, None),  # nobody reads from it
        ({}, {}, None),
        (None, None, None),
    ],
)
def test_what_a_source_leaves_out_of_its_binary_log(
    flavour: Flavour, on_source: dict[str, str] | None, on_replica: dict[str, str] | None, found: dict[str, str] | None
) -> None:
    source = observation(flavour, 1, risks=Risks(log_filters=on_source))
    replica = observation(flavour, 2, channel(flavour, 1), risks=Risks(log_filters=on_replica))
    findings = diagnose(world([source, replica]))
    assert [each.evidence for each in findings] == ([found] if found else [])
    assert all(text in findings[0].summary for text in (found or {}).values())


@pytest.mark.parametrize(
    ("source", "replica", "found"),
    [
        ("8.4.3", "8.0.36", True),
        ("8.4.9", "8.4.3", False),
        ("8.0.36", "8.4.3", False),
        ("26.7.0", "9.7.0", True),
        ("11.8.2-MariaDB", "10.11.6-MariaDB", True),
        ("10.6.20-MariaDB", "10.11.6-MariaDB", False),
        ("10.11.6-MariaDB", "9.7.0", False),  # which cannot be compared
        ("9.7.0", "10.11.6-MariaDB", False),
    ],
)
def test_a_replica_that_is_older_than_its_source(source: str, replica: str, found: bool) -> None:
    one = observation(Flavour.MYSQL, 1, version=ServerVersion.parse(source))
    two = observation(Flavour.MYSQL, 2, channel(Flavour.MYSQL, 1), version=ServerVersion.parse(replica))
    assert codes(world([one, two])) == ([("db2", "unsafe-settings")] if found else [])


def test_relay_logs_that_a_crash_spoils_matter_without_gtids() -> None:
    source, replica, _ = star(Flavour.MYSQL)
    old = replace(
        replica, channels=(channel(Flavour.MYSQL, 1, uses_gtid=False),), risks=Risks(settings={"relay_log_recovery": "0"})
    )
    assert codes(world([source, old])) == [("db2", "unsafe-settings")]


@FLAVOURS
def test_a_chain_that_passes_nothing_on(flavour: Flavour) -> None:
    for value, found in (("0", [("db2", "unsafe-settings")]), ("1", [])):
        risks = Risks(settings={"log_replica_updates": value})
        source, middle = observation(flavour, 1, risks=risks), observation(flavour, 2, channel(flavour, 1), risks=risks)
        end = observation(flavour, 3, channel(flavour, 2), risks=risks)
        assert codes(world([source, middle, end], spec(1), spec(2), spec(3, replicates_from="db2"))) == found


@FLAVOURS
@pytest.mark.parametrize(
    ("log_bin", "format_", "found"), [(True, "row", True), (False, "row", False), (True, "statement", False)]
)
def test_row_images_of_a_chain(flavour: Flavour, log_bin: bool, format_: str, found: bool) -> None:
    risks = Risks(settings={"binlog_row_image": "minimal", "binlog_format": format_, "log_replica_updates": "1"})
    middle = observation(flavour, 2, channel(flavour, 1), risks=risks, log_bin=log_bin)
    end = observation(flavour, 3, channel(flavour, 2), risks=risks)
    made = world([observation(flavour, 1), middle, end], spec(1), spec(2), spec(3, replicates_from="db2"))
    images = [each.subject.server for each in diagnose(made) if "binlog_row_image" in each.evidence]
    assert images == (["10.0.0.2:3306"] if found else [])


def test_a_finding_names_the_variable_as_its_server_does() -> None:
    risks = Risks(settings={"replica_exec_mode": "idempotent"})
    replica = observation(Flavour.MARIADB, 2, channel(Flavour.MARIADB, 1), risks=risks)
    (finding,) = diagnose(world([observation(Flavour.MARIADB, 1), replica]))
    assert finding.evidence == {"slave_exec_mode": "IDEMPOTENT"}


@FLAVOURS
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["", "", ""], []),
        (["do_db=a", "do_db=a", "do_db=a"], []),
        (["", "do_db=a", ""], ["db3"]),
        (["do_db=a", "", "do_db=a"], ["db3"]),
        (["", "do_db=a"], ["db3"]),
        (["do_db=a"], []),
    ],
)
def test_filters_that_differ(flavour: Flavour, filters: list[str], found: list[str]) -> None:
    replicas = [observation(flavour, number, channel(flavour, 1, filters=text)) for number, text in enumerate(filters, 2)]
    assert codes(world([observation(flavour, 1), *replicas])) == [(name, "replication-filters-differ") for name in found]


@FLAVOURS
def test_a_source_that_takes_no_writes(flavour: Flavour) -> None:
    source, *replicas = star(flavour)
    assert codes(world([replace(source, read_only=True), *replicas])) == [("db1", "source-read-only")]
    assert codes(world([replace(source, read_only=True)])) == []  # a single server is nobody's source


GOOD = SemiSync(enabled=True, active=True, clients=1, fallbacks=0, unacknowledged=0)


@FLAVOURS
@pytest.mark.parametrize(
    ("state", "ago", "found"),
    [
        (GOOD, None, False),
        (None, None, False),
        (replace(GOOD, enabled=False, active=False), None, False),
        (replace(GOOD, active=False), None, True),
        (replace(GOOD, clients=0), None, True),
        (GOOD, timedelta(seconds=9), True),
        (GOOD, REMEMBERED, False),
    ],
)
def test_semisync(flavour: Flavour, state: SemiSync | None, ago: timedelta | None, found: bool) -> None:
    source = observation(flavour, 1, risks=Risks(semisync=state))
    past = {"db1": Past(fallback=Fallback(at=NOW - ago, times=1, unacknowledged=2))} if ago else {}
    made = replace(world([source, observation(flavour, 2, channel(flavour, 1))]), past=past)
    assert codes(made) == ([("db1", "semisync-degraded")] if found else [])


@FLAVOURS
def test_semisync_of_a_replica_is_not_looked_at(flavour: Flavour) -> None:
    replica = observation(flavour, 2, channel(flavour, 1), risks=Risks(semisync=replace(GOOD, active=False)))
    assert codes(world([observation(flavour, 1), replica], spec(1), spec(2))) == []

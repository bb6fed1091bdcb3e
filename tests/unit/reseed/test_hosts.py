"""What machines and files say, and each reason not to copy files from one to the other."""

from dataclasses import replace
from typing import Any

import pytest

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.reseed.choice import by_files, choose
from repwatch.reseed.facts import Facts
from repwatch.reseed.host_preconditions import host_refusals
from repwatch.reseed.host_scripts import Folders
from repwatch.reseed.hosts import FileFacts, HostFacts, Hosts
from repwatch.reseed.method import Method, Why
from repwatch.reseed.plan import make_plan
from repwatch.reseed.preconditions import refusals
from repwatch.reseed.stages import Stage
from tests.unit.reseed.facts import FACTS, table
from tests.unit.reseed.test_preconditions import source, target
from tests.unit.reseed.test_stages import marker

VERSION = ServerVersion.parse("10.11.18-MariaDB-0+deb12u1")
GIB = 1 << 30
HOST = HostFacts(
    folders=Folders("/data/mysql"),
    left=False,
    own_mount=False,
    writable=True,
    used=10 * GIB,
    free=100 * GIB,
    backup=(10, 11, 18),
    stream=True,
    server=(10, 11, 18),
)
FILES = FileFacts(
    folder="/data/mysql",
    elsewhere=(),
    encrypted=False,
    page_size="16384",
    data_file_path="ibdata1:12M:autoextend",
    binlog="/data/mysql/binlog",
    relay_log="/data/mysql/relay",
)
HOSTS = Hosts(source_files=FILES, target_files=FILES, source_host=HOST, target_host=HOST, stop="halt", start="go")
BIG = replace(table(data_bytes=2 * GIB), rows=10_000_000, definition="d")
MARIADB = target(source(version=VERSION, server_uuid=""), version=VERSION, server_uuid="")
READY = replace(MARIADB, source=replace(MARIADB.source, tables=(BIG,)), hosts=HOSTS, login=True)


def with_hosts(**changes: Any) -> Facts:
    return replace(READY, hosts=replace(HOSTS, **changes))


def with_host(side: str, **changes: Any) -> Facts:
    return with_hosts(**{f"{side}_host": replace(HOST, **changes)})


def with_files(side: str, **changes: Any) -> Facts:
    return with_hosts(**{f"{side}_files": replace(FILES, **changes)})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (READY, set()),
        (FACTS, {"not-mariadb"}),
        (replace(READY, hosts=None), {"no-host"}),
        (target(READY, version=ServerVersion.parse("11.4.2-MariaDB")), {"series-differs", "tool-version"}),
        (replace(READY, login=False), {"no-replication-account"}),
        (replace(READY, local_tables=("mine.*",)), {"local-tables"}),
        (with_hosts(strangers=("op",)), {"account-differs"}),
        (with_hosts(trouble="ssh: no route", source_host=None, target_host=None), {"host-unreachable"}),
        (with_files("source", elsewhere=("/far/t.ibd",)), {"files-elsewhere"}),
        (with_files("target", elsewhere=("innodb_undo_directory",)), {"files-elsewhere"}),
        (with_files("target", binlog="/logs/binlog"), {"files-elsewhere"}),
        (with_files("target", relay_log="/data/mysql2/relay"), {"files-elsewhere"}),
        (with_files("target", binlog=""), set()),
        (with_files("source", binlog="/logs/binlog"), set()),
        (with_files("source", encrypted=True), {"encrypted"}),
        (with_files("target", page_size="8192"), {"settings-differ"}),
        (with_files("target", data_file_path="ibdata1:1G"), {"settings-differ"}),
        (with_host("source", backup=()), {"tool-missing"}),
        (with_host("source", stream=False, server=()), set()),  # what only the target needs
        (with_host("target", stream=False), {"tool-missing"}),
        (with_host("target", server=()), {"tool-missing"}),
        (with_host("source", backup=(10, 11, 17)), {"tool-version"}),
        (with_host("source", backup=(10, 11, 19)), set()),
        (with_host("target", backup=(11, 4, 19)), {"tool-version"}),
        (with_host("target", own_mount=True), {"folder-fixed"}),
        (with_host("target", writable=False), {"folder-fixed"}),
        (with_host("target", left=True), {"folder-left"}),
        (with_hosts(target_host=replace(HOST, left=True), begun=True), set()),
        (with_host("source", left=True), set()),  # that of another reseed, of the source itself
        (with_host("target", free=10 * GIB), {"disk-space"}),
        (with_host("target", free=-1), {"disk-space"}),
        (with_host("source", used=-1), {"disk-space"}),
        (with_host("source", own_mount=True, writable=False, free=0), set()),  # nothing is written there
    ],
)
def test_what_forbids_to_copy_files(facts: Facts, expected: set[str]) -> None:
    assert {refusal.code for refusal in host_refusals(facts)} == expected


def test_an_interrupted_one_has_its_copy_on_the_disk_already() -> None:
    begun = replace(marker(Stage.LOADING), method=Method.PHYSICAL)
    facts = with_host("target", free=0, left=True)
    assert host_refusals(replace(facts, target=replace(facts.target, marker=begun))) == ()


def test_more_kinds_of_tables_are_in_a_backup_than_in_a_snapshot() -> None:
    def codes(*tables: Any) -> set[str]:
        facts = replace(READY, asked=Method.PHYSICAL, source=replace(READY.source, tables=tables))
        return {refusal.code for refusal in refusals(facts, choose(facts))}

    assert codes(BIG, table("m", engine="MyISAM"), table("v", kind="SYSTEM VERSIONED")) == set()
    assert codes(BIG, table("gone", engine="MEMORY")) == {"engine"}


@pytest.mark.parametrize(
    ("facts", "method", "why"),
    [
        (READY, Method.PHYSICAL, Why.EMPTY),
        (replace(READY, hosts=None), Method.LOGICAL, Why.EMPTY),
        (with_host("target", free=0), Method.LOGICAL, Why.EMPTY),
        (replace(READY, login=False), Method.LOGICAL, Why.EMPTY),
        (replace(READY, target=replace(READY.target, tables=(replace(BIG, rows=5),))), Method.PHYSICAL, Why.FAR_OFF),
        (replace(READY, target=replace(READY.target, tables=(BIG,))), Method.DIFFERENTIAL, Why.MOSTLY_ALIKE),
        (replace(READY, source=replace(READY.source, tables=(table(),))), Method.LOGICAL, Why.EMPTY),
        (replace(READY, asked=Method.LOGICAL), Method.LOGICAL, Why.ASKED),
        (replace(FACTS, asked=Method.PHYSICAL), Method.PHYSICAL, Why.ASKED),
    ],
)
def test_files_are_copied_where_there_is_much_to_copy_and_nothing_forbids_it(facts: Facts, method: Method, why: Why) -> None:
    choice = choose(facts)
    assert (choice.method, choice.why) == (method, why)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (READY, True),
        (replace(READY, source=replace(READY.source, tables=(table(),))), False),
        (replace(READY, asked=Method.LOGICAL), False),
        (replace(FACTS, asked=Method.PHYSICAL), True),
        (replace(READY, only=(TableName("shop", "orders"),)), False),
        (replace(FACTS, target=replace(FACTS.target, marker=replace(marker(Stage.LOADED), method=Method.PHYSICAL))), True),
        (replace(READY, target=replace(READY.target, marker=marker(Stage.LOADED))), False),
    ],
)
def test_machines_are_looked_at_only_where_it_may_matter(facts: Facts, *, expected: bool) -> None:
    assert by_files(facts) is expected


def test_the_plan_says_why_files_are_not_copied() -> None:
    assert "disk-space" in make_plan(with_host("target", free=0)).reason
    assert "disk-space" not in make_plan(replace(with_host("target", free=0), asked=Method.LOGICAL)).reason


def test_the_plan_takes_nothing_away_before_the_proof() -> None:
    lost = target(replace(READY, asked=Method.PHYSICAL), schemas=("shop", "extra"))
    plan = make_plan(lost)
    whats = [step.what for step in plan.steps]
    proof = next(number for number, what in enumerate(whats) if what.startswith("compare"))
    assert next(number for number, step in enumerate(plan.steps) if "rm -rf" in step.statement) > proof
    assert any("extra" in what for what in whats)
    assert {"halt", "go"} <= {step.statement for step in plan.steps}
    assert plan.plan_hash != make_plan(replace(READY, asked=Method.PHYSICAL)).plan_hash


@pytest.mark.parametrize(
    ("variables", "tablespaces", "elsewhere"),
    [
        ({}, (), ()),
        ({"innodb_log_group_home_dir": "./", "innodb_undo_directory": "/d", "aria_log_dir_path": "/d/"}, ("/d/a/b.ibd",), ()),
        ({"innodb_log_group_home_dir": "/log"}, (), ("innodb_log_group_home_dir",)),
        ({"innodb_data_file_path": "/raw/ibdata1:1G"}, (), ("innodb_data_file_path",)),
        ({}, ("/far/a/b.ibd", "/d2/a.ibd"), ("/far/a/b.ibd", "/d2/a.ibd")),
    ],
)
def test_files_outside_of_the_data_folder_are_found(
    variables: dict[str, str], tablespaces: tuple[str, ...], elsewhere: tuple[str, ...]
) -> None:
    assert FileFacts.parse({"datadir": "/d/"} | variables, tablespaces).elsewhere == elsewhere


@pytest.mark.parametrize("variable", ["innodb_encrypt_log", "innodb_encrypt_tables", "aria_encrypt_tables"])
def test_encryption_is_found(variable: str) -> None:
    assert FileFacts.parse({variable: "ON"}, ()).encrypted
    assert FileFacts.parse({variable: "FORCE"}, ()).encrypted
    assert not FileFacts.parse({variable: "OFF"}, ()).encrypted


def test_a_machine_that_says_nothing_has_nothing() -> None:
    facts = HostFacts.parse("folder=/d\nused=\nfree=?\nbackup=sh: mariadb-backup: not found\nserver=\n")
    assert (facts.used, facts.free, facts.backup, facts.server, facts.stream, facts.writable) == (-1, -1, (), (), False, False)

"""Each reason to refuse a reseed, alone and together."""

from dataclasses import replace
from typing import Any

import pytest

from repwatch.drift.repair_preconditions import server_refusals
from repwatch.model.server import Address, ServerVersion
from repwatch.reseed.choice import choose
from repwatch.reseed.facts import Facts
from repwatch.reseed.preconditions import refusals
from repwatch.reseed.stages import Stage
from repwatch.sql.replication import HOLD_DELAY
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.unit.reseed.facts import FACTS, SOURCE_UUID, TARGET_UUID, channel, table
from tests.unit.reseed.test_stages import marker


def source(facts: Facts = FACTS, **changes: Any) -> Facts:
    return replace(facts, source=replace(facts.source, server=replace(facts.source.server, **changes)))


def target(facts: Facts = FACTS, **changes: Any) -> Facts:
    return replace(facts, target=replace(facts.target, server=replace(facts.target.server, **changes)))


def on_target(**changes: Any) -> Facts:
    return replace(FACTS, target=replace(FACTS.target, **changes))


def tables(*names: Any) -> Facts:
    return replace(FACTS, source=replace(FACTS.source, tables=names))


def codes(facts: Facts) -> set[str]:
    return {refusal.code for refusal in refusals(facts, choose(facts))}


def test_a_healthy_pair_is_not_refused() -> None:
    assert codes(FACTS) == set()


def test_channels_that_could_not_be_read_are_not_called_missing() -> None:
    unread = target(channels=(), missing_grants=("GRANT REPLICATION CLIENT ON *.* TO 'a'@'%'",))
    assert codes(unread) == {"privilege-missing"}
    assert {refusal.code for refusal in server_refusals(unread, own_hold=False)} == {"privilege-missing"}


STANDALONE = target(channels=())
ELSEWHERE = target(channels=(channel(uuid=TARGET_UUID.replace("2", "9"), source_id=9),))
MARIADB = target(source(version=ServerVersion.parse("10.11.6-MariaDB")), version=ServerVersion.parse("10.11.19-MariaDB"))


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (source(version=ServerVersion.parse("10.11.6-MariaDB")), "flavour-differs"),
        (target(server_uuid=SOURCE_UUID), "same-server"),
        (source(target(MARIADB, server_uuid="", server_id=1), server_uuid=""), "same-server"),
        (target(server_id=1), "duplicate-server-id"),
        (on_target(dump_clients=("10.0.0.3:4711",)), "has-replicas"),
        (on_target(replicas=("db3",)), "has-replicas"),
        (source(channels=(channel(uuid=TARGET_UUID, source_id=2),)), "is-source"),
        (target(group_member=True), "group-member"),
        (target(channels=(channel(), channel(name="billing"))), "other-channels"),
        (STANDALONE, "standalone"),
        (ELSEWHERE, "standalone"),
        (target(version=ServerVersion.parse("8.4.3")), "target-older"),
        (source(log_bin=False), "no-binlog"),
        (source(logs_updates=False, channels=(channel(source_id=9, uuid="9"),)), "updates-not-logged"),
        (source(gtid=False), "gtid-off"),
        (target(gtid=False), "gtid-off"),
        (target(lower_case_names=1), "lower-case-names-differ"),
        (target(max_allowed_packet=1_000_000), "packet-too-small"),
        (source(prepared=("'x'",)), "prepared-xa"),
        (target(prepared=("'x'",)), "prepared-xa"),
        (on_target(writers=("app (connection 9)",)), "sessions-writing"),
        (tables(table(engine="MyISAM")), "engine"),
        (tables(table(engine="")), "engine"),
        (tables(table(kind="SYSTEM VERSIONED")), "system-versioned"),
        (source(schemas=("shop", MARKER_SCHEMA)), "source-half-loaded"),
        (replace(FACTS, local_tables=("shop.*",)), "local-tables"),
        (replace(FACTS, local_tables=("shop.tmp_%",)), "local-tables"),
        (source(missing_grants=("GRANT …",)), "privilege-missing"),
        (target(missing_grants=("GRANT …",)), "privilege-missing"),
        (target(channels=(channel(delay=HOLD_DELAY),)), "held"),
        (STANDALONE, "no-replication-account"),
        (source(STANDALONE, address=Address("localhost", 3306, "/run/mysqld.sock")), "source-address"),
        (tables(table(data_bytes=10**12)), "purge-horizon"),
    ],
)
def test_each_reason_is_told(facts: Facts, code: str) -> None:
    assert code in codes(facts)


def test_a_named_table_that_keeps_its_history_is_there() -> None:
    versioned = table(kind="SYSTEM VERSIONED")
    told = codes(replace(tables(versioned), only=(versioned.name,)))
    assert "system-versioned" in told
    assert "no-such-table" not in told


def test_all_reasons_are_told_at_once() -> None:
    facts = target(source(log_bin=False), group_member=True, lower_case_names=2)
    assert codes(facts) == {"no-binlog", "group-member", "lower-case-names-differ"}


@pytest.mark.parametrize(
    ("given", "refused"), [("", True), ("db2:3306", False), ("db2:3307", True), ("db1:3306", True), ("db2", True)]
)
def test_only_naming_the_very_server_overrules_standalone(given: str, refused: bool) -> None:
    assert ("standalone" in codes(replace(STANDALONE, overwrite_standalone=given, login=True))) is refused


@pytest.mark.parametrize(
    "facts",
    [on_target(dump_clients=("h",)), on_target(replicas=("db3",)), source(channels=(channel(uuid=TARGET_UUID, source_id=2),))],
)
def test_a_source_is_never_overwritten(facts: Facts) -> None:
    assert codes(replace(facts, overwrite_standalone="db2:3306"))


def test_an_empty_server_needs_no_permission() -> None:
    assert codes(replace(target(STANDALONE, schemas=()), login=True)) == set()


def test_an_interrupted_reseed_from_the_same_source_is_taken_up() -> None:
    half = replace(STANDALONE, target=replace(STANDALONE.target, marker=replace(marker(Stage.LOADING), source_key=SOURCE_UUID)))
    assert codes(replace(half, login=True)) == set()
    other = replace(half, target=replace(half.target, marker=marker(Stage.LOADING)))
    assert codes(replace(other, login=True)) == {"standalone"}


def test_its_own_hold_does_not_stop_an_interrupted_reseed() -> None:
    held = target(channels=(channel(delay=HOLD_DELAY),))
    assert codes(replace(held, target=replace(held.target, marker=marker(Stage.QUIET)))) == set()


def test_a_schema_that_is_the_replicas_own_is_left_alone() -> None:
    facts = replace(target(schemas=("shop", "own")), local_tables=("own.*",))
    assert codes(facts) == set()
    assert facts.dropped_schemas == ("shop",)


def test_views_and_sequences_are_no_foreign_engines() -> None:
    assert codes(tables(table(engine="", kind="VIEW"), table(kind="SEQUENCE"))) == set()


def test_a_source_that_replicates_from_nobody_may_leave_updates_unlogged() -> None:
    assert codes(source(logs_updates=False)) == set()


def test_binary_logs_that_never_expire_hold_no_copy_up() -> None:
    assert codes(source(tables(table(data_bytes=10**15)), binlog_expires=0)) == set()


def test_the_privilege_to_save_transactions_is_needed_only_for_that() -> None:
    lacking = on_target(errant="0-2-17", export_grants=("GRANT …",))
    assert codes(lacking) == set()
    assert codes(replace(on_target(export_grants=("GRANT …",)), export=True)) == set()
    assert codes(replace(lacking, export=True)) == {"privilege-missing"}

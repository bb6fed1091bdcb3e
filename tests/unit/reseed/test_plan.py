"""The plan: its hash holds while the work is the same, and changes with what a person agreed to."""

from dataclasses import replace

import pytest

from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method
from repwatch.reseed.plan import make_plan
from repwatch.reseed.stages import Stage
from tests.unit.reseed.facts import FACTS, TARGET_UUID, channel, table
from tests.unit.reseed.test_preconditions import on_target, source, tables, target
from tests.unit.reseed.test_stages import marker


@pytest.mark.parametrize(
    "facts",
    [
        tables(table(data_bytes=5_000_000)),
        on_target(executed="0-1-99"),
        target(channels=(replace(channel(), receiver_errno=2003, applier_errno=0),)),
    ],
)
def test_positions_counts_and_times_do_not_change_it(facts: Facts) -> None:
    assert make_plan(facts).plan_hash == make_plan(FACTS).plan_hash


@pytest.mark.parametrize(
    "facts",
    [
        target(server_uuid=TARGET_UUID.replace("2", "3")),
        source(server_uuid=TARGET_UUID.replace("2", "3")),
        replace(FACTS, source=replace(FACTS.source, fingerprint="other")),
        target(schemas=("shop", "another")),
        target(schemas=()),
        replace(FACTS, channel="billing"),
    ],
)
def test_what_a_person_agreed_to_changes_it(facts: Facts) -> None:
    assert make_plan(facts).plan_hash != make_plan(FACTS).plan_hash


def test_every_schema_that_goes_is_named() -> None:
    """One that the source has is dropped for good; one that only the replica has can be had back until the proof."""
    steps = make_plan(target(schemas=("shop", "another"))).steps
    gone = [step for step in steps if "DROP DATABASE IF EXISTS `" in step.statement and step.where == "db2:3306"]
    named = {(step.statement.rpartition(" ")[2], step.reversible) for step in gone}
    assert {("`another`", True), ("`shop`", False)} <= named


def test_the_mark_comes_first_and_goes_last() -> None:
    steps = make_plan(FACTS).steps
    assert steps[0].statement.startswith("CREATE DATABASE")
    assert steps[-1].statement.startswith("DROP DATABASE")


def test_a_password_is_in_no_step() -> None:
    facts = replace(target(channels=()), login=True, overwrite_standalone="db2:3306")
    assert all(
        "PASSWORD" not in step.statement.upper().replace("PASSWORD FROM THE CONFIGURATION", "") for step in make_plan(facts).steps
    )


def test_what_will_be_lost_may_be_saved_first() -> None:
    lossy = on_target(errant="0-2-17")
    saving = make_plan(replace(lossy, export=True))
    assert saving.steps[1:] == make_plan(FACTS).steps
    assert saving.plan_hash != make_plan(FACTS).plan_hash
    assert make_plan(replace(FACTS, export=True)).steps == make_plan(FACTS).steps


def test_that_the_source_has_purged_what_follows_the_copy_is_said() -> None:
    begun = on_target(marker=replace(marker(Stage.LOADED), method=Method.LOGICAL, tables=()))
    error = "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old"
    lost = replace(channel(), receiver_running=False, receiver_errno=1236, receiver_error=error)
    purged = replace(begun, target=replace(begun.target, server=replace(begun.target.server, channels=(lost,))))
    assert make_plan(purged).reason != make_plan(begun).reason
    assert make_plan(purged).plan_hash == make_plan(begun).plan_hash

"""Which replica may stand for its source."""

from dataclasses import replace
from typing import Any

import pytest

from repwatch.model.server import Flavour, ServerVersion
from repwatch.reseed.donor import least_position
from repwatch.reseed.facts import DonorFacts, Facts, SourceFacts
from repwatch.reseed.method import Method
from repwatch.reseed.plan import make_plan
from repwatch.reseed.stages import Stage
from repwatch.sql.replication import HOLD_DELAY, ChannelState
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.unit.reseed.facts import FACTS, SOURCE_UUID, TARGET_UUID, channel, server, table
from tests.unit.reseed.test_preconditions import codes
from tests.unit.reseed.test_stages import marker

DONOR_UUID = "33333333-3333-3333-3333-333333333333"
RUNNING = replace(channel(), applier_running=True, applier_errno=0, applier_error="")
DONOR = DonorFacts(
    data=SourceFacts(server=server(3, DONOR_UUID, channels=(RUNNING,)), tables=(table(),), fingerprint="d"),
    channel="",
    read_only=True,
)


def with_donor(**changes: Any) -> Facts:
    return replace(FACTS, source=replace(FACTS.source, tables=(), fingerprint=""), donor=replace(DONOR, **changes))


def on_donor(**changes: Any) -> Facts:
    return with_donor(data=replace(DONOR.data, server=replace(DONOR.data.server, **changes)))


def running(**changes: Any) -> Facts:
    state: ChannelState = replace(RUNNING, **changes)
    return on_donor(channels=(state,))


def test_a_healthy_replica_may() -> None:
    assert codes(with_donor()) == set()


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (on_donor(server_uuid=SOURCE_UUID), "same-server"),
        (on_donor(server_uuid=TARGET_UUID), "same-server"),
        (on_donor(gtid=False), "gtid-off"),
        (on_donor(prepared=("x",)), "prepared-xa"),
        (on_donor(missing_grants=("GRANT …",)), "privilege-missing"),
        (on_donor(version=ServerVersion.parse("9.8.0")), "target-older"),
        (on_donor(channels=()), "donor-not-following"),
        (running(source_uuid=TARGET_UUID.replace("2", "9")), "donor-not-following"),
        (running(uses_gtid=False), "donor-not-following"),
        (running(delay=HOLD_DELAY), "held"),
        (running(delay=1), "donor-delayed"),
        (running(applier_running=False), "donor-stopped"),
        (running(receiver_running=False), "donor-stopped"),
        (running(receiver_errno=2003), "donor-stopped"),
        (running(applier_errno=1062), "donor-stopped"),
        (on_donor(channels=(RUNNING, replace(RUNNING, channel="other"))), "donor-channels"),
        (with_donor(read_only=False), "donor-writable"),
        (with_donor(errant=f"{DONOR_UUID}:1"), "donor-errant"),
        (on_donor(schemas=("shop", MARKER_SCHEMA)), "source-half-loaded"),
        (with_donor(data=replace(DONOR.data, tables=(table(engine="MyISAM"),))), "engine"),
    ],
)
def test_each_reason_why_not(facts: Facts, code: str) -> None:
    assert codes(facts) == {code}


@pytest.mark.parametrize("method", [Method.DIFFERENTIAL, Method.LOGICAL, Method.TABLE])
def test_a_delayed_one_may_not_be_held(method: Method) -> None:
    only = (table().name,) if method is Method.TABLE else ()
    assert codes(replace(running(delay=60), asked=None if only else method, only=only)) >= {"donor-delayed"}


@pytest.mark.parametrize(("delay", "refused"), [(0, False), (86_400 - 601, False), (86_400, True)])
def test_a_clone_of_a_delayed_one_needs_older_binary_logs(delay: int, refused: bool) -> None:
    found = codes(replace(running(delay=delay), asked=Method.CLONE))
    assert "donor-delayed" not in found
    assert ("purge-horizon" in found) is refused


def test_its_files_are_not_copied() -> None:
    assert "donor-files" in codes(replace(with_donor(), asked=Method.PHYSICAL))


@pytest.mark.parametrize("method", [Method.DIFFERENTIAL, Method.LOGICAL])
def test_the_plan_holds_it_and_lets_it_go(method: Method) -> None:
    plan = make_plan(replace(with_donor(), asked=method))
    there = [step.what for step in plan.steps if step.where == "db3:3306"]
    assert there == ["hold replication of the donor", "take a snapshot", "let the donor go"]
    assert "db3:3306" in plan.reason
    assert plan.plan_hash != make_plan(replace(FACTS, asked=method)).plan_hash


@pytest.mark.parametrize(
    ("stage", "refused"), [(Stage.QUIET, True), (Stage.LOADING, True), (Stage.LOADED, False), (Stage.RELEASED, False)]
)
def test_nothing_is_asked_of_one_whose_data_is_there(stage: Stage, refused: bool) -> None:
    """An interrupted reseed ends, whatever its donor has become."""
    facts = with_donor(read_only=False)
    left = replace(marker(stage), source_key=SOURCE_UUID)
    assert codes(replace(facts, target=replace(facts.target, marker=left))) == ({"donor-writable"} if refused else set())


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"asked": Method.DIFFERENTIAL}, False),
        ({"asked": Method.LOGICAL}, True),
        ({"only": (table().name,)}, True),
    ],
)
def test_one_that_is_copied_from_anew_is_looked_at(changes: dict[str, Any], refused: bool) -> None:
    """Another method, or other tables, begin again, whatever was loaded."""
    left = replace(marker(Stage.LOADED), source_key=SOURCE_UUID, tables=())
    facts = replace(with_donor(read_only=False), **changes)
    facts = replace(facts, target=replace(facts.target, marker=left))
    assert ("donor-writable" in codes(facts)) is refused


OWN = f"{TARGET_UUID}:1-3"


@pytest.mark.parametrize(
    ("flavour", "executed", "errant", "least"),
    [
        (Flavour.MARIADB, "0-1-5", "0-2-1", "0-1-5"),
        (Flavour.MYSQL, f"{SOURCE_UUID}:1-5", "", f"{SOURCE_UUID}:1-5"),
        (Flavour.MYSQL, f"{SOURCE_UUID}:1-5,{OWN}", OWN, f"{SOURCE_UUID}:1-5"),
    ],
)
def test_what_only_the_replica_has_is_not_waited_for(flavour: Flavour, executed: str, errant: str, least: str) -> None:
    assert least_position(flavour, executed, errant) == least

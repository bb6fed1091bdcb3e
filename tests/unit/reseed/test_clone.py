"""Cloning: when it is possible, when it is chosen, and what an interrupted one leaves."""

from dataclasses import replace
from typing import Any

import pytest

from repwatch.model.server import Address, Flavour, ServerVersion
from repwatch.reseed.choice import choose
from repwatch.reseed.clone import BEGUN, entry_of, hindrances, left_behind
from repwatch.reseed.facts import CloneFacts, CloneSide, Facts
from repwatch.reseed.method import Method, Why
from repwatch.reseed.plan import make_plan
from repwatch.reseed.stages import Marker, Present, Stage, goes_on_from
from repwatch.sql.clone import CloneState, same_series, status
from tests.unit.reseed.facts import FACTS, table
from tests.unit.reseed.test_choice import ALIKE
from tests.unit.reseed.test_donor import DONOR
from tests.unit.reseed.test_preconditions import codes, source, target
from tests.unit.reseed.test_stages import marker

SIDE = CloneSide(
    plugins=frozenset({"clone"}), registered=False, platform="Linux x86_64", charset="utf8mb4", storage="16384", file_bytes=0
)
FOUND = CloneFacts(
    donor=SIDE,
    target=SIDE,
    address=Address("db1", 3306),
    missing_grants=(),
    shut_out=(),
    outside_files=(),
    state=CloneState.NONE,
    scheduler="ON",
    persisted="",
)
POSSIBLE = replace(FACTS, clone=FOUND, login=True)
POSITION = "11111111-1111-1111-1111-111111111111:1-9"


def found(**changes: Any) -> Facts:
    return replace(POSSIBLE, clone=replace(FOUND, **changes))


def cloning(stage: Stage, position: str = "") -> Marker:
    return replace(marker(stage, position), method=Method.CLONE, scheduler="ON", persisted="OFF")


def test_both_sizes_are_told_for_nobody_knows_how_much_is_free() -> None:
    asked = replace(POSSIBLE, asked=Method.CLONE)
    ours, theirs = replace(SIDE, file_bytes=7_000_000_000), replace(SIDE, file_bytes=3_000_000_000)
    larger = replace(asked, clone=replace(FOUND, donor=ours, target=theirs))
    reason = make_plan(larger).reason
    assert "7 GB" in reason
    assert "3 GB" in reason
    assert make_plan(larger).plan_hash == make_plan(asked).plan_hash


def test_of_rows_the_size_is_told_of_those_that_are_read() -> None:
    small, large = replace(table(), data_bytes=3_000_000_000), replace(table(), data_bytes=7_000_000_000)
    asked = replace(FACTS, asked=Method.LOGICAL, source=replace(FACTS.source, tables=(large,)))
    assert "7 GB" in make_plan(asked).reason
    taken = replace(asked, donor=replace(DONOR, data=replace(DONOR.data, tables=(small,))))
    assert "3 GB" in make_plan(taken).reason
    assert "7 GB" not in make_plan(taken).reason


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (replace(POSSIBLE, clone=None), "series-differs"),
        (replace(POSSIBLE, login=False), "no-replication-account"),
        (found(donor=replace(SIDE, plugins=frozenset())), "clone-plugin"),
        (found(target=replace(SIDE, plugins=frozenset({"other"}))), "clone-plugin"),
        (found(target=replace(SIDE, registered=True)), "clone-plugin"),
        (found(donor=replace(SIDE, plugins=frozenset({"clone", "semisync"}))), "plugins-differ"),
        (found(donor=replace(SIDE, platform="Linux aarch64")), "platform-differs"),
        (found(donor=replace(SIDE, charset="latin1")), "charset-differs"),
        (found(donor=replace(SIDE, storage="8192")), "settings-differ"),
        (found(address=Address("localhost", 3306, "/run/mysqld.sock")), "source-address"),
        (found(address=Address("::1", 3306)), "source-address"),
        (target(replace(POSSIBLE, clone=None), missing_grants=("GRANT SELECT …",)), "privilege-missing"),
        (source(replace(POSSIBLE, clone=None), missing_grants=("GRANT SELECT …",)), "privilege-missing"),
        (found(missing_grants=("GRANT CLONE_ADMIN …",)), "privilege-missing"),
        (found(shut_out=("op",)), "account-differs"),
        (found(outside_files=("/data/x.ibd",)), "files-elsewhere"),
        (found(state=CloneState.RUNNING), "cloning"),
        (source(POSSIBLE, max_allowed_packet=1_000_000), "packet-too-small"),
        (target(POSSIBLE, max_allowed_packet=1_000_000), "packet-too-small"),
        (replace(target(POSSIBLE, schemas=("shop", "own")), local_tables=("own.*",)), "local-tables"),
        (replace(POSSIBLE, target=replace(POSSIBLE.target, tables=(table("odd `name"),))), "backtick-names"),
        (target(POSSIBLE, schemas=("odd`",)), "backtick-names"),
    ],
)
def test_each_hindrance_refuses_it_and_auto_takes_another_way(facts: Facts, code: str) -> None:
    assert {refusal.code for refusal in hindrances(facts)} == {code}
    assert code in codes(replace(facts, asked=Method.CLONE))
    assert choose(facts).method is not Method.CLONE


def test_where_nothing_hinders_auto_clones_what_is_empty_or_far_off() -> None:
    assert hindrances(POSSIBLE) == ()
    assert (choose(POSSIBLE).method, choose(POSSIBLE).why) == (Method.CLONE, Why.EMPTY)
    far = replace(POSSIBLE, source=ALIKE.source, target=replace(POSSIBLE.target, tables=(table("another"),)))
    assert (choose(far).method, choose(far).why) == (Method.CLONE, Why.FAR_OFF)
    alike = replace(ALIKE, clone=FOUND, login=True)
    assert choose(alike).method is Method.DIFFERENTIAL
    assert codes(POSSIBLE) == set()


def test_a_clone_of_a_replica_has_its_channel() -> None:
    donor = replace(DONOR, data=replace(DONOR.data, server=replace(DONOR.data.server, version=POSSIBLE.target.server.version)))
    facts = replace(POSSIBLE, donor=donor, login=False)
    assert choose(facts).method is Method.CLONE
    assert codes(target(facts, channels=(), schemas=())) == set()
    named = replace(facts, donor=replace(donor, channel="other"))
    assert {refusal.code for refusal in hindrances(named)} == {"donor-channels"}


def test_both_may_have_registered_the_plugin() -> None:
    registered = replace(SIDE, registered=True)
    assert hindrances(found(donor=registered, target=registered)) == ()
    assert hindrances(found(donor=registered)) == ()


def test_the_plan_names_what_goes_and_no_password() -> None:
    plan = make_plan(replace(target(POSSIBLE, schemas=("shop", "another")), asked=Method.CLONE))
    lost = [step.what for step in plan.steps if not step.reversible]
    assert {"drop shop", "drop another"} <= set(lost)
    assert any("accounts" in what for what in lost)
    assert plan.plan_hash != make_plan(replace(POSSIBLE, asked=Method.LOGICAL)).plan_hash


def test_on_the_way_through_the_plan_stays_the_same() -> None:
    asked = replace(POSSIBLE, asked=Method.CLONE)
    begun = replace(asked, target=replace(asked.target, marker=cloning(Stage.LOADING)))
    assert make_plan(target(begun, schemas=())).plan_hash == make_plan(begun).plan_hash


@pytest.mark.parametrize("stage", list(Stage))
def test_what_is_cloned_already_needs_nothing_of_it_any_more(stage: Stage) -> None:
    broken = replace(found(donor=replace(SIDE, plugins=frozenset())), asked=Method.CLONE)
    facts = replace(broken, target=replace(broken.target, marker=cloning(stage, POSITION)))
    assert ("clone-plugin" in codes(facts)) is (stage.rank < Stage.LOADED.rank)
    assert broken.clone is not None
    done = replace(facts, clone=replace(broken.clone, position=POSITION))
    assert "clone-plugin" not in codes(done)


def test_its_own_clone_may_still_run() -> None:
    facts = found(state=CloneState.RUNNING)
    ours = replace(facts, target=replace(facts.target, marker=cloning(Stage.LOADING)))
    assert hindrances(ours) == ()


@pytest.mark.parametrize(
    ("stage", "executed", "cloned", "expected"),
    [
        (Stage.QUIET, "", "", Stage.MARKED),
        (Stage.LOADING, "", "", Stage.MARKED),
        (Stage.LOADING, POSITION, POSITION, Stage.LOADED),
        (Stage.LOADED, POSITION, "", Stage.LOADED),
        (Stage.LOADED, POSITION.replace("1-9", "1-12"), "", Stage.LOADED),  # it has replicated meanwhile, rightly
        (Stage.ATTACHED, POSITION.replace("1-9", "1-12"), "", Stage.ATTACHED),
        (Stage.LOADED, POSITION.replace("1-9", "1-8"), "", Stage.MARKED),
        (Stage.RELEASED, "", "", Stage.MARKED),
    ],
)
def test_where_an_interrupted_clone_goes_on(stage: Stage, executed: str, cloned: str, expected: Stage) -> None:
    present = Present(executed=executed, held=None, cloned=cloned)
    assert goes_on_from(cloning(stage, POSITION), present, Flavour.MYSQL) is expected


MARKED = {"event": BEGUN, **entry_of(cloning(Stage.LOADING), "yesterday")}
LEFT = (cloning(Stage.LOADING), "yesterday")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], None),
        ([{"event": "begin", "step": "loaded"}], None),
        ([MARKED], LEFT),
        ([MARKED, {"event": "outcome", "outcome": "failed"}], LEFT),
        ([MARKED, {"event": "written"}], LEFT),
        ([MARKED, {"event": "done", "step": "loaded"}], LEFT),  # the marker is written after that
        ([MARKED, {"event": "begin", "step": "positioned"}], None),
        ([MARKED, {"event": "settings"}], None),  # a new reseed
        ([MARKED, {"event": "cancelled"}], None),
        ([MARKED, {"event": "begin", "step": "positioned"}, MARKED], LEFT),
    ],
)
def test_the_marker_that_is_left_in_the_journal(entries: list[dict[str, str]], expected: object) -> None:
    assert left_behind(entries) == expected


def test_a_marker_of_before_there_were_clones_is_understood() -> None:
    entries = cloning(Stage.LOADED).entries()
    del entries["scheduler"], entries["persisted"]
    read = Marker.from_entries(entries)
    assert (read.scheduler, read.persisted) == ("", "")


@pytest.mark.parametrize(
    ("donor", "recipient", "same"),
    [
        ("9.7.0", "9.7.4", True),
        ("8.4.1", "8.4.13", True),
        ("8.0.37", "8.0.44", True),
        ("8.0.36", "8.0.36", True),
        ("8.0.36", "8.0.44", False),
        ("8.0.36", "8.0.35", False),
        ("8.4.1", "9.7.0", False),
        ("9.1.0", "9.2.0", False),
    ],
)
def test_only_within_a_series(donor: str, recipient: str, same: bool) -> None:
    assert same_series(ServerVersion.parse(donor), ServerVersion.parse(recipient)) is same


def row(state: str, pid: str = "0") -> dict[str, str | None]:
    return {"pid": pid, "state": state, "begun": "b", "errno": "0", "error": "", "position": f"{POSITION},\n{POSITION}"}


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([], CloneState.NONE),
        ([row("Completed")], CloneState.COMPLETED),
        ([row("In Progress", "21")], CloneState.RUNNING),
        ([row("In Progress")], CloneState.ABANDONED),
        ([row("Failed", "20")], CloneState.FAILED),  # 9.7 leaves the number there
    ],
)
def test_what_the_server_says_of_its_last_clone(rows: list[dict[str, str | None]], state: CloneState) -> None:
    assert status(rows).state is state
    assert "\n" not in status(rows).position


@pytest.mark.parametrize(("login", "address"), [(True, True), (False, False)])
def test_a_donor_s_channel_comes_along_where_no_account_is_given(*, login: bool, address: bool) -> None:
    plan = make_plan(replace(POSSIBLE, donor=DONOR, login=login, asked=Method.CLONE))
    (attached,) = (step.statement for step in plan.steps if step.what == "attach to the source")
    assert ("db1:3306" in attached) is address

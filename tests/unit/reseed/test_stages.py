"""Where an interrupted reseed goes on. The invariant: data is only kept if nothing can have been applied to it meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.gtid import reached
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.reseed.method import Method
from repwatch.reseed.stages import Marker, Present, Stage, goes_on_from, loading_began

P, BEFORE, LATER, OTHER = "0-1-50", "0-1-20", "0-1-60", "0-1-30"


def marker(stage: Stage, position: str = P) -> Marker:
    return Marker(
        run="r",
        stage=stage,
        source="db1:3306",
        source_key="1",
        channel="",
        before=BEFORE,
        position=position,
        delay=0,
        receiver=True,
        applier=True,
        read_only=True,
        super_read_only=False,
        trust_creators=False,
        local_infile=True,
        method=Method.DIFFERENTIAL,
        tables=(TableName("shop", "odd.name"),),
    )


@pytest.mark.parametrize(
    ("stage", "executed", "held", "expected"),
    [
        (Stage.MARKED, BEFORE, False, Stage.MARKED),
        (Stage.QUIET, BEFORE, True, Stage.MARKED),
        (Stage.LOADING, BEFORE, True, Stage.MARKED),
        (Stage.LOADED, BEFORE, True, Stage.LOADED),
        (Stage.LOADED, BEFORE, None, Stage.LOADED),
        (Stage.LOADED, "", True, Stage.LOADED),  # between RESET and the new position
        (Stage.LOADED, P, True, Stage.LOADED),  # the answer to the new position was lost
        (Stage.LOADED, OTHER, True, Stage.MARKED),
        (Stage.LOADED, BEFORE, False, Stage.MARKED),  # somebody let the applier go: it may have applied and failed
        (Stage.POSITIONED, P, True, Stage.POSITIONED),
        (Stage.POSITIONED, P, None, Stage.POSITIONED),
        (Stage.POSITIONED, P, False, Stage.POSITIONED),
        (Stage.POSITIONED, LATER, False, Stage.MARKED),
        (Stage.POSITIONED, BEFORE, True, Stage.MARKED),
        (Stage.ATTACHED, P, True, Stage.ATTACHED),
        (Stage.ATTACHED, LATER, False, Stage.ATTACHED),  # released, but not written down
        (Stage.ATTACHED, BEFORE, True, Stage.MARKED),
        (Stage.RELEASED, LATER, False, Stage.RELEASED),
        (Stage.RELEASED, "", False, Stage.MARKED),
        (Stage.CAUGHT_UP, LATER, False, Stage.CAUGHT_UP),
        (Stage.CAUGHT_UP, BEFORE, False, Stage.MARKED),
    ],
)
def test_where_it_goes_on(stage: Stage, executed: str, held: bool | None, expected: Stage) -> None:
    assert goes_on_from(marker(stage), Present(executed=executed, held=held), Flavour.MARIADB) is expected


POSITIONS = st.sampled_from(["", BEFORE, OTHER, P, LATER, "0-1-50,1-2-3"])


@given(stage=st.sampled_from(Stage), executed=POSITIONS, held=st.sampled_from([None, False, True]))
def test_it_never_goes_on_later_than_what_was_recorded_nor_without_the_data(
    stage: Stage, executed: str, held: bool | None
) -> None:
    found = goes_on_from(marker(stage), Present(executed=executed, held=held), Flavour.MARIADB)
    assert found.rank <= stage.rank
    if found.rank >= Stage.POSITIONED.rank:
        assert reached(Flavour.MARIADB, executed, P)
    assert found in (Stage.MARKED, stage)


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("replaced", [False, True])
@given(stage=st.sampled_from(Stage), method=st.sampled_from(Method))
def test_another_method_begins_anew_and_does_not_go_back_to_a_copy(
    copied: bool, replaced: bool, stage: Stage, method: Method
) -> None:
    before = replace(marker(stage), method=Method.PHYSICAL, tables=(), copied=copied, replaced=replaced)
    after = before.taken_over(method, ())
    if method is Method.PHYSICAL:
        assert after == before
        return
    assert (after.method, after.stage) == (method, Stage.MARKED)
    assert after.reversible == (not copied and not replaced)


@given(
    stage=st.sampled_from(Stage),
    texts=st.tuples(st.text(), st.text(), st.text(), st.text()),
    delay=st.integers(0, 2**31 - 1),
    flags=st.tuples(*[st.booleans()] * 5),
)
def test_a_marker_survives_being_written(
    stage: Stage, texts: tuple[str, str, str, str], delay: int, flags: tuple[bool, bool, bool, bool, bool]
) -> None:
    source, channel, before, position = texts
    receiver, applier, read_only, super_read_only, trust = flags
    value = Marker(
        run="r",
        stage=stage,
        source=source,
        source_key="k",
        channel=channel,
        before=before,
        position=position,
        delay=delay,
        receiver=receiver,
        applier=applier,
        read_only=read_only,
        super_read_only=super_read_only,
        trust_creators=trust,
        local_infile=receiver,
        method=Method.DIFFERENTIAL,
        tables=(TableName("shop", "odd.name"),),
        replaced=read_only,
        copied=receiver,
    )
    assert Marker.from_entries(value.entries()) == value


@pytest.mark.parametrize("wrong", [{}, {"stage": "no stage"}])
def test_what_is_no_marker_is_not_read_as_one(wrong: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Marker.from_entries(marker(Stage.LOADED).entries() | wrong if wrong else {})


@pytest.mark.parametrize(
    ("stage", "method", "replaced", "expected"),
    [
        (Stage.QUIET, Method.DIFFERENTIAL, False, True),
        (Stage.QUIET, Method.DIFFERENTIAL, True, False),  # a second run that began anew
        (Stage.LOADING, Method.LOGICAL, False, False),
        (Stage.LOADING, Method.PHYSICAL, False, True),
        (Stage.CAUGHT_UP, Method.PHYSICAL, False, True),
        (Stage.CAUGHT_UP, Method.PHYSICAL, True, False),
    ],
)
def test_the_way_back(stage: Stage, method: Method, *, replaced: bool, expected: bool) -> None:
    assert replace(marker(stage), method=method, replaced=replaced).reversible is expected


def test_the_last_loading_of_the_run_counts() -> None:
    def entry(minute: int, run: str, step: str, event: str = "begin") -> dict[str, str]:
        return {"at": datetime(2026, 1, 1, 0, minute, tzinfo=UTC).isoformat(), "run": run, "event": event, "step": step}

    entries = [entry(1, "r", "loaded"), entry(2, "r", "loaded"), entry(3, "r", "loaded", "done"), entry(4, "s", "loaded")]
    assert loading_began(entries, "r") == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    assert loading_began([entry(1, "r", "marked")], "r") is None

"""Real replication, broken in every way of the table: exactly that is told, nothing else, in time, and all resolves.

The watch is the service's own (`scenarios/patrol.py`). What is told is what a receiver would get; a consequence may be seen
beside it, and nobody is told of it.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.conftest import FAILED
from tests.server.rooted import may_be_root
from tests.server.scenarios.patrol import Patrol, patrol
from tests.server.scenarios.stage import Scenario, Stage
from tests.server.scenarios.table import SCENARIOS
from tests.server.scenarios.tls import Certificates

Star = tuple[Sandbox, Certificates]
BUSY = timedelta(minutes=1)  # what a busy machine may add to the time that a server or a rule takes


@pytest.fixture(scope="module")
def stars() -> Iterator[dict[Flavour, Star]]:
    """The star of each flavour that is still in order."""
    kept: dict[Flavour, Star] = {}
    yield kept
    for box, _ in kept.values():
        box.close()


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    flavour: Flavour,
    stars: dict[Flavour, Star],
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Iterator[Stage]:
    """A star that scenarios break and put right one after the other; who fails loses it."""
    if flavour not in stars:
        certificates = Certificates(tmp_path_factory.mktemp("tls"))
        stars[flavour] = Sandbox.start(flavour, replicas=2, options=certificates.options), certificates
    yield Stage(*stars[flavour], tmp_path)
    if FAILED in request.node.stash:
        stars.pop(flavour)[0].close()


def cases() -> list[object]:
    """Each scenario with each flavour that it is for."""
    return [
        pytest.param(flavour, scenario, id=f"{flavour}-{scenario.name}", marks=[pytest.mark.long] if scenario.long else [])
        for flavour in Flavour
        for scenario in SCENARIOS
        if flavour in scenario.on
    ]


@pytest.mark.parametrize(("flavour", "scenario"), cases(), indirect=["flavour"])
def test_exactly_the_right_thing_is_told_and_all_resolves(stage: Stage, scenario: Scenario, tmp_path: Path) -> None:
    assert may_be_root() or not scenario.root, "this way needs root, or sudo without a password; it counts as failed without"
    with ExitStack() as prepared:
        prepared.enter_context(scenario.prepare(stage))
        watch = prepared.enter_context(patrol(stage.cluster, tmp_path, stage.threads, scenario.silent))
        watch.until_calm()
        watch.stories.clear()  # of what the way before this one may have left for a moment
        watch.checks = False  # else a check of suspect data finds the drift that a scenario has made, and tries again much later
        with scenario.breaks(stage):
            first, broken = watch.ticks + 1, time.monotonic()
            watch.until_told(scenario.told[stage.flavour])
            watch.until_opened(scenario.brings)
            for _ in range(2):
                watch.tick()
            told_right(watch, scenario, stage)
            in_time(watch, scenario, first, broken)
            watch.until_standing(scenario.told[stage.flavour])
            if scenario.claims is not None:
                scenario.claims(stage, watch)
        watch.checks = True
        watch.until_calm()
        for _ in range(2):
            watch.tick()
        told_right(watch, scenario, stage)
        untold = [story.place for story in watch.stories.values() if story.told is not None and not story.resolution_told]
        assert not untold, f"nobody was told that they are over: {untold}"
    stage.leave()


def told_right(watch: Patrol, scenario: Scenario, stage: Stage) -> None:
    """Everything that it says, and nothing that it does not."""
    wanted = scenario.told[stage.flavour]
    assert wanted <= watch.told() <= wanted | scenario.beside, watch.summaries()
    assert set(watch.opened()) <= wanted | scenario.brings | scenario.follows | scenario.beside, watch.summaries()
    assert max(watch.opened().values()) == 1, f"what came again is told again: {watch.opened()}"
    found = [watch.finding(*place) for place in wanted]
    for name, value in scenario.evidence.items():
        assert any(finding.evidence.get(name) == value for finding in found), (name, value, watch.summaries())


def in_time(watch: Patrol, scenario: Scenario, first: int, broken: float) -> None:
    """Confirmed in the same tick if one look is enough to believe it, else in the next; told at once.

    Seen as soon as can be: no look missed it that ought to see it.
    """
    latest = broken + (scenario.within + BUSY).total_seconds()
    for story in watch.stories.values():
        if story.told is None:
            continue
        assert story.opened is not None
        assert story.told == story.opened, story.place
        assert story.opened - story.seen <= (0 if story.finding.settled else 1), story.place
        missed = watch.begun[first - 1 : story.seen - 1]
        if scenario.within:
            assert all(begun <= latest for begun in missed), (story.place, missed[-1] - broken)
        else:
            assert len(missed) < scenario.looks, (story.place, story.seen, first)

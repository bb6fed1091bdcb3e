"""An applier that runs and does not get on: what is said of it, and what not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.causes import causes
from repwatch.health.limits import MANY_LIMITS
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.applier import ApplierWork, Holder, WaitKind
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import Lag, LagBasis, ThreadState
from repwatch.model.server import Flavour
from repwatch.sql.replication import HOLD_DELAY
from tests.unit.health.worlds import NOW, channel, observation, spec, star, world

MY = Flavour.MYSQL
LIMIT = 30.0  # seconds; the default of max_lag
HOLDER = Holder(connection=20, account="app@10.0.0.9", command="Sleep", statement="", seconds=70)
SLOW = ApplierWork(connection=13, stage="User sleep", table="shop.orders", statement="UPDATE …", rows_changed=7)
BLOCKED = replace(SLOW, wait=WaitKind.METADATA_LOCK, holders=(HOLDER,))


def standing(seconds: float | None, work: ApplierWork | None = SLOW, **changes: Any) -> World:
    """db2's applier has stood still with work for so long; None: it has none."""
    source, _, other = star(MY)
    wanted = changes.pop("wanted", spec(2))
    made = world([source, observation(MY, 2, channel(MY, 1, work=work, **changes)), other], spec(1), wanted, spec(3))
    since = None if seconds is None else NOW - timedelta(seconds=seconds)
    stood = Movement(mark="x", looked=NOW, since=NOW - timedelta(days=1))
    progress = ChannelProgress(receiver=replace(stood, since=NOW), applier=stood, source_mark="", work_since=since)
    return replace(made, progress=Progress(channels={("db2", ""): progress}))


def only(made: World) -> Finding:
    (found,) = [found for found in diagnose(made) if found.subject.code is not FindingCode.LAGGING]
    return found


def codes(made: World) -> list[str]:
    return [found.subject.code.value for found in diagnose(made)]


@pytest.mark.parametrize(
    ("seconds", "changes", "found"),
    [
        (LIMIT, {}, []),
        (LIMIT + 1, {}, ["applier-stalled", "lagging"]),
        (None, {}, []),  # nothing to do for a day
        (LIMIT + 1, {"work": None}, ["applier-stalled", "lagging"]),
        (LIMIT + 1, {"applier": ThreadState.STOPPED}, ["applier-stopped"]),
        (LIMIT + 1, {"wanted": spec(2, max_lag=timedelta(seconds=60))}, []),
        (61, {"wanted": spec(2, max_lag=timedelta(seconds=60))}, ["applier-stalled", "lagging"]),
        (3629, {"delay": timedelta(hours=1)}, []),
        (3631, {"delay": timedelta(hours=1)}, ["applier-stalled", "lagging"]),
        (LIMIT + 1, {"wanted": spec(2, delay=timedelta(seconds=20)), "delay": timedelta(hours=1)}, []),
        (3500, {"wanted": spec(2, delay=timedelta(seconds=20)), "delay": timedelta(hours=1)}, ["lagging"]),  # the delay holds it
        (LIMIT + 1, {"delay": timedelta(seconds=HOLD_DELAY)}, ["applier-stalled", "lagging"]),
        (0, {"work": BLOCKED}, ["applier-blocked"]),
        (1, {"work": None, "applier_text": "Waiting for backup lock"}, ["applier-blocked"]),
        (LIMIT + 1, {"work": None, "applier_text": "Waiting for table metadata lock"}, ["applier-blocked", "lagging"]),
        (0, {"work": None, "applier_text": "Waiting for table metadata lock"}, []),  # it has just moved
        (None, {"work": None, "applier_text": "Waiting for table metadata lock"}, []),
        (1, {"applier_text": "Waiting for table metadata lock"}, []),  # its thread tells better
        (1, {"work": None, "applier": ThreadState.STOPPED, "applier_text": "Waiting for backup lock"}, ["applier-stopped"]),
        (None, {"work": BLOCKED}, ["applier-blocked"]),
        (LIMIT + 1, {"work": BLOCKED}, ["applier-blocked", "lagging"]),  # it has a reason, so it is no riddle
    ],
)
def test_when_an_applier_is_blocked_or_stalled(seconds: float | None, changes: dict[str, Any], found: list[str]) -> None:
    assert codes(standing(seconds, **changes)) == found


@pytest.mark.parametrize("work", [SLOW, BLOCKED])
def test_it_is_as_bad_as_the_lag_that_it_makes(work: ApplierWork) -> None:
    assert only(standing(MANY_LIMITS * LIMIT, work)).severity is Severity.WARNING
    assert only(standing(MANY_LIMITS * LIMIT + 1, work)).severity is Severity.CRITICAL
    lag = Lag(seconds=MANY_LIMITS * LIMIT + 1, basis=LagBasis.STATUS)
    assert {found.severity for found in diagnose(standing(LIMIT + 1, work, lag=lag))} == {Severity.CRITICAL}


def test_without_memory_a_stall_is_not_seen_and_a_lock_is() -> None:
    assert codes(replace(standing(99), progress=Progress())) == []
    assert codes(replace(standing(99, BLOCKED), progress=Progress())) == ["applier-blocked"]


def test_a_fact_and_a_suspicion_have_different_names() -> None:
    fact = only(standing(5, BLOCKED))
    assert "connection 20 of app@10.0.0.9" in fact.evidence["blocker"]
    assert "`KILL 20`" in fact.remedy
    guess = only(standing(5, replace(BLOCKED, certain=False)))
    assert "connection 20 of app@10.0.0.9" in guess.evidence["blocker_candidates"]
    assert "blocker" not in guess.evidence
    assert "KILL" not in guess.remedy
    unknown = only(standing(5, replace(BLOCKED, holders=())))
    assert not {"blocker", "blocker_candidates"} & set(unknown.evidence)
    assert "KILL" not in unknown.remedy


def test_a_table_without_a_key_is_named() -> None:
    found = only(standing(LIMIT + 1, replace(SLOW, keyless=True)))
    assert (found.evidence["table"], found.evidence["primary_key"]) == ("shop.orders", "none")
    assert "shop.orders" in found.remedy
    assert "primary_key" not in only(standing(LIMIT + 1)).evidence


@pytest.mark.parametrize("work", [SLOW, BLOCKED])
def test_lag_is_a_part_of_it(work: ApplierWork) -> None:
    made = standing(LIMIT + 1, work, lag=Lag(seconds=LIMIT + 1, basis=LagBasis.STATUS))
    by_code = {found.subject.code: found.subject for found in diagnose(made)}
    lagging = by_code.pop(FindingCode.LAGGING)
    (cause,) = by_code.values()
    assert causes(made, diagnose(made))[lagging] == cause
    alone = replace(made, progress=Progress())
    if work is SLOW:
        assert causes(alone, diagnose(alone))[lagging].code is FindingCode.HALF_LOADED  # which is not there

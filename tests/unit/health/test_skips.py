"""Whether something was skipped, told by looks made by hand: what was, and above all what was not."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.skips import injected, recall
from repwatch.model.observation import Observation, ThreadState
from repwatch.model.past import Past
from repwatch.model.risks import Risks, SemiSync
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, uuid, world

MY, MA = Flavour.MYSQL, Flavour.MARIADB
SOURCE = uuid(MY, 1)
STOP, RUN = ThreadState.STOPPED, ThreadState.RUNNING


@dataclass(frozen=True)
class Seen:
    """One look at a MariaDB replica: positions, how many transactions it began, how often it was started."""

    applied: int
    groups: int
    starts: int = 1
    received: int | None = None
    applier: ThreadState = RUN
    uptime: float | None = None
    domain: int = 0
    in_parts: bool = False  # the first events of a further transaction have been received, and it is begun


def looks(*seen: Seen) -> list[Observation]:
    return [
        observation(
            MA,
            2,
            channel(
                MA,
                1,
                gtid_executed=f"{each.domain}-1-{each.applied}",
                gtid_received=f"{each.domain}-1-{each.received or each.applied}",
                groups=each.groups,
                applier=each.applier,
                applied_log="b.1:9",
                source_log="b.1:12" if each.in_parts else "b.1:9",
            ),
            at=NOW + number * timedelta(seconds=5),
            risks=Risks(starts=each.starts, uptime=100 + number * 5 if each.uptime is None else each.uptime),
        )
        for number, each in enumerate(seen)
    ]


def told(seen: list[Observation]) -> list[str]:
    """What each look shows to have been skipped."""
    past: dict[str, Past] = {}
    result = []
    for look in seen:
        past = dict(recall(past, replace(world([observation(MA, 1), look]), now=look.at)))
        result.append(past["db2"].skipped)
    return result


@pytest.mark.parametrize(
    ("seen", "missed"),
    [
        ([Seen(5, 5), Seen(8, 7, starts=2)], "1"),
        ([Seen(5, 5), Seen(9, 6, starts=2)], "3"),
        ([Seen(5, 5), Seen(8, 8, starts=2)], ""),  # it was only stopped and started
        ([Seen(5, 5), Seen(8, 7)], ""),  # nobody skips without a START: numbers that the source left out
        ([Seen(5, 5), Seen(8, 7), Seen(9, 8, starts=2)], ""),  # and they do not count later
        ([Seen(5, 5), Seen(7, 6, starts=2, received=9), Seen(9, 8, starts=2)], "1"),  # seen only when it has caught up
        ([Seen(5, 5), Seen(5, 6, applier=STOP), Seen(5, 6, applier=STOP), Seen(7, 7, starts=2)], "1"),  # past an error
        ([Seen(5, 5), Seen(5, 6, applier=STOP), Seen(5, 6, applier=STOP), Seen(7, 8, starts=2)], ""),  # an error that was mended
        ([Seen(5, 5), Seen(900, 2, starts=2, uptime=4)], ""),  # a restart of the server: its counts begin anew
        ([Seen(50, 50), Seen(900, 2, starts=2)], ""),  # RESET: the count begins anew
        ([Seen(5, 5), Seen(900, 6, starts=2, domain=7)], ""),  # another history
        ([Seen(5, 5), Seen(5, 6, in_parts=True), Seen(6, 6, starts=2)], ""),  # the rest of it came after a START
        ([Seen(8, 7, starts=2)], ""),  # the first look knows nothing
    ],
)
def test_a_skip_on_mariadb(seen: list[Seen], missed: str) -> None:
    results = told(looks(*seen))
    assert results[-1].partition(" ")[0] == missed
    assert not any(results[:-1])


def test_a_reseed_is_no_skip() -> None:
    before, after = looks(Seen(5, 5), Seen(900, 6, starts=2))
    assert told([before, replace(after, half_loaded=True)])[-1] == ""
    assert told([replace(before, half_loaded=True), after])[-1] == ""


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=20))
def test_an_honest_replica_is_never_said_to_skip(steps: list[tuple[int, bool]]) -> None:
    seen, applied, starts = [Seen(10, 3)], 10, 1
    for more, restarted in steps:
        applied, starts = applied + more, starts + restarted
        seen.append(Seen(applied, applied - 7, starts))
    assert not any(told(looks(*seen)))


@pytest.mark.parametrize(
    ("received", "executed", "hole"),
    [
        ("1-5:7", "1-7", "6"),
        ("1-5:9", "1-7:9", "6-7"),
        ("1-5:7", "1-5:7", ""),  # the source itself left it out
        ("4-9", "1-9", ""),  # what came before it was loaded
        ("1-5", "1-7", ""),  # not received yet, as far as this look knows
        ("", "1-7", ""),
    ],
)
def test_a_hole_in_what_a_mysql_replica_received(received: str, executed: str, hole: str) -> None:
    texts = [f"{SOURCE}:{text}" if text else "" for text in (received, executed)]
    look = observation(MY, 2, channel(MY, 1, gtid_received=texts[0]), gtid_executed=texts[1])
    assert injected(look) == (f"{SOURCE}:{hole}" if hole else "")
    assert injected(replace(look, half_loaded=True)) == ""
    garbled = observation(MY, 2, channel(MY, 1, gtid_received="what is this"), gtid_executed=texts[1])
    assert injected(garbled) == ""


@pytest.mark.parametrize(
    ("before", "after", "found"), [(2, 4, True), (2, 2, False), (9, 2, False), (None, 4, False), (4, None, False)]
)
def test_who_sets_gtid_next_on_a_replica(before: int | None, after: int | None, found: bool) -> None:
    pair = [
        observation(
            MY, 2, channel(MY, 1), at=NOW + number * timedelta(seconds=5), risks=Risks(by_hand=hands, uptime=100 + number * 5)
        )
        for number, hands in enumerate((before, after))
    ]
    assert bool(told(pair)[-1]) == found


@pytest.mark.parametrize(
    ("fallbacks", "uptime", "found"), [((1, 2), 105.0, 1), ((1, 1), 105.0, None), ((5, 1), 2.0, None), ((1, 9), 2.0, None)]
)
def test_a_fallback_between_two_looks(fallbacks: tuple[int, int], uptime: float, found: int | None) -> None:
    past: dict[str, Past] = {}
    for number, (times, up) in enumerate(zip(fallbacks, (100.0, uptime), strict=True)):
        state: dict[str, Any] = {"enabled": True, "active": True, "clients": 1}
        semisync = SemiSync(**state, fallbacks=times, unacknowledged=times * 3)
        look = observation(MY, 1, at=NOW + number * timedelta(seconds=5), risks=Risks(semisync=semisync, uptime=up))
        past = dict(recall(past, replace(world([look]), now=look.at)))
    fallback = past["db1"].fallback
    assert (fallback.times if fallback else None) == found

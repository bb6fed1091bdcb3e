"""What is told by the present look at another server is not over because that server is down."""

from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.rules_clock import clock_skew
from repwatch.health.rules_settings import unsafe_settings
from repwatch.health.unjudged import unjudged
from repwatch.health.world import World
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ClockReading, Disks, DiskSpace, ProbeFailure
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, unobserved, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
WRONG = ClockReading(ahead=timedelta(seconds=9), error=timedelta(0))
RIGHT = replace(WRONG, ahead=timedelta(0))
DISKS = Disks(asked=NOW, spaces=(DiskSpace(path="/", used=1, free=9),))  # what is not told of is not judged


def pair(flavour: Flavour) -> World:
    """A source and a replica whose clock is wrong."""
    looked = [observation(flavour, 1, disks=DISKS), observation(flavour, 2, channel(flavour, 1), disks=DISKS)]
    return world([replace(each, reading=reading) for each, reading in zip(looked, (RIGHT, WRONG), strict=True)])


def source_down(seen: World) -> World:
    source, replica = seen.servers
    return replace(seen, servers=(replace(source, result=unobserved(ProbeFailure.UNREACHABLE, at=seen.now)), replica))


@FLAVOURS
def test_nothing_is_unjudged_where_all_are_seen(flavour: Flavour) -> None:
    assert list(unjudged(pair(flavour))) == []


@FLAVOURS
def test_what_needs_the_source_is_not_judged_without_it(flavour: Flavour) -> None:
    seen = pair(flavour)
    (skewed,) = clock_skew(seen)
    lonely = source_down(seen)
    assert list(clock_skew(lonely)) == []
    found = set(unjudged(lonely))
    assert skewed.subject in found
    assert {(each.server, each.code) for each in found} == {
        ("10.0.0.2:3306", code)
        for code in (
            FindingCode.CLOCK_SKEW,
            FindingCode.PURGE_HORIZON,
            FindingCode.BINLOG_PURGED,
            FindingCode.ERRANT_TRANSACTIONS,
        )
    }


def test_a_server_alone_is_judged() -> None:
    alone = world([observation(Flavour.MYSQL, 1, reading=WRONG, disks=DISKS)])
    assert list(unjudged(alone)) == []


@FLAVOURS
def test_settings_are_compared_with_the_source_as_it_was_last_seen(flavour: Flavour) -> None:
    seen = pair(flavour)
    source, replica = seen.servers
    assert source.last_good is not None
    newer = replace(source.last_good, version=replace(source.last_good.version, number=(99, 0, 0)))
    seen = replace(seen, servers=(replace(source, result=newer, last_good=newer), replica))
    (before,) = unsafe_settings(seen)
    (after,) = unsafe_settings(source_down(seen))
    assert before.subject == after.subject

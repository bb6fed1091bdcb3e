"""As of when a receiver had all that its source had, over looks made by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.reach import Offer, Reach, follow_reach, lacking
from repwatch.model.observation import BinlogFiles, BinlogKeep
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, uuid

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
POLL = 5


def gtids(flavour: Flavour, last: int) -> str:
    return f"{uuid(flavour, 1)}:1-{last}" if flavour is Flavour.MYSQL else f"0-1-{last}"


class Story:
    """A source that writes a transaction a second, and a replica."""

    def __init__(self, flavour: Flavour) -> None:
        self.flavour = flavour
        self.reach: Reach | None = None

    def look(self, second: int, received: int, *, source: str = "db1", written: int | None = None) -> Reach:
        """Both at once; `received` of them are here."""
        moment = NOW + timedelta(seconds=second)
        has = gtids(self.flavour, received)
        own = channel(self.flavour, 1, gtid_received=has, gtid_executed=has)
        seen = observation(self.flavour, 2, own, gtid_executed=has, at=moment)
        looked = observation(self.flavour, 1, gtid_executed=gtids(self.flavour, written or 1000 + second), at=moment)
        self.reach = follow_reach(self.reach, source, looked, seen, own)
        assert self.reach is not None
        return self.reach


def age(reach: Reach, second: int) -> float:
    assert reach.level is not None
    return (NOW + timedelta(seconds=second) - reach.level).total_seconds()


@FLAVOURS
def test_who_keeps_up_is_as_of_the_look_before(flavour: Flavour) -> None:
    story = Story(flavour)
    for second in range(0, 100, POLL):
        reach = story.look(second, 1000 + second - 1)  # the last one is on its way
        if second:
            assert age(reach, second) == POLL
    assert reach.pace(NOW + timedelta(seconds=95)) == 1.0


@FLAVOURS
@given(behind=st.integers(1, 400))
def test_who_is_behind_steadily_is_told_between_once_and_twice_as_far(flavour: Flavour, behind: int) -> None:
    story, told = Story(flavour), 0
    for second in range(0, 5 * behind + 100, POLL):
        reach = story.look(second, 1000 + second - behind)
        if reach.level is not None:
            assert behind <= age(reach, second) <= 2 * behind + 3 * POLL
            told += 1
    assert told > 0


@FLAVOURS
@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8])
def test_who_is_slower_is_told_how_fast_it_gets_on(flavour: Flavour, speed: float) -> None:
    story = Story(flavour)
    for second in range(0, 2000, POLL):
        reach = story.look(second, 1000 + int(second * speed) - 1)
    pace = reach.pace(NOW + timedelta(seconds=second))
    assert pace is not None
    assert abs(pace - speed) < 0.1


@FLAVOURS
def test_who_stands_gets_slower_by_the_second(flavour: Flavour) -> None:
    story = Story(flavour)
    for second in range(0, 50, POLL):
        story.look(second, 1000 + second)
    known = story.look(50, 1045)  # that was all
    for second in (100, 1000, 10000):
        reach = story.look(second, 1045)
        assert reach == known
        pace = reach.pace(NOW + timedelta(seconds=second))
        assert pace is not None
        assert pace <= 2 * POLL / (second - 50)


@FLAVOURS
def test_one_write_between_two_looks_is_owed_since_the_look_before(flavour: Flavour) -> None:
    """An idle source wrote once as its replica stopped: no look has seen the source move since."""
    story = Story(flavour)
    for second in range(0, 50, POLL):
        story.look(second, 1000, written=1000)
    for second in range(50, 100, POLL):
        reach = story.look(second, 1000, written=1001)
    assert reach.level == NOW + timedelta(seconds=45)


@FLAVOURS
def test_another_source_begins_it_anew_and_a_second_look_is_no_new_mark(flavour: Flavour) -> None:
    story = Story(flavour)
    for second in range(0, 20, POLL):
        story.look(second, 1000 + second)
    assert story.look(20, 1000, source="db9").level is None
    once = story.look(25, 1030)
    assert story.look(25, 1030) == once
    own = channel(flavour, 1)
    assert follow_reach(once, "db9", None, observation(flavour, 2, own), own) == once


def test_a_domain_that_is_left_out_needs_its_place_in_the_logs_too() -> None:
    """A receiver that ignores it stops on 1236 all the same (MDEV-28213); while it runs, its position moves in all of them."""
    own = channel(Flavour.MARIADB, 1, gtid_received="0-1-5", gtid_executed="0-1-5", filters="ignore_domain_ids=7")
    seen = observation(Flavour.MARIADB, 2, own, gtid_executed="0-1-5")
    assert lacking(seen, own, "0-1-5,7-7-900") == 900
    assert lacking(seen, replace(own, uses_gtid=False), "0-1-5,7-7-900") == 0
    assert lacking(seen, replace(own, uses_gtid=False), "0-1-6,7-7-900") == 1
    assert lacking(seen, own, "nonsense") == 1


def test_own_writes_of_a_server_that_were_numbered_further_are_not_waited_for() -> None:
    """The state of the binary log has the last one of each server; its position is what replicates."""
    own = channel(Flavour.MARIADB, 1, gtid_received="0-1-101", gtid_executed="0-1-101")
    seen = observation(Flavour.MARIADB, 2, own, gtid_executed="0-1-101", at=NOW + timedelta(seconds=5))
    logged = {"gtid_binlog": "0-1-101", "gtid_logged": "0-2-1100,0-1-101"}
    source = observation(Flavour.MARIADB, 1, gtid_executed="0-1-101", **logged)
    reach = follow_reach(Reach.begun("db1", Offer.of(source, own)), "db1", replace(source, at=seen.at), seen, own)
    assert reach is not None
    assert reach.level == source.at


def test_what_a_source_has_never_logged_is_not_waited_for() -> None:
    """It was a replica once, and still has the position of that time; its replica had an older one."""
    own = channel(Flavour.MARIADB, 1, gtid_received="0-1-5", gtid_executed="0-1-5,7-9-10")
    seen = observation(Flavour.MARIADB, 2, own, gtid_executed="0-1-5,7-9-10", at=NOW + timedelta(seconds=5))
    source = observation(Flavour.MARIADB, 1, gtid_executed="0-1-5,7-9-50", gtid_binlog="0-1-5")
    reach = follow_reach(Reach.begun("db1", Offer.of(source, own)), "db1", replace(source, at=seen.at), seen, own)
    assert reach is not None
    assert reach.level == source.at


def test_a_place_is_held_against_the_list_of_logs_that_is_older_than_the_look() -> None:
    """A source that writes a file of a hundred bytes each hundred seconds; its list is asked for once a minute."""
    reach: Reach | None = None
    for second in range(0, 600, POLL):
        reach = follow_at(reach, second, asked=second - second % 60, here=second)
        if second >= 60:
            assert age(reach, second) < 120  # it has had all of the list before the latest
    assert reach is not None
    assert reach.pace(NOW + timedelta(seconds=second)) == 1.0
    stopped = [follow_at(reach, second, asked=second - second % 60, here=595) for second in range(600, 6000, 60)]
    assert {age(each, 6000) for each in stopped} == {6000 - 540}


def test_logs_that_are_numbered_anew_begin_it_anew() -> None:
    known = follow_at(None, 0, asked=0, here=950, written=1000)
    assert follow_at(known, 60, asked=60, here=1010, written=1060).level == NOW
    assert follow_at(known, 60, asked=60, here=10, written=30) == follow_at(None, 60, asked=60, here=10, written=30)


def follow_at(known: Reach | None, second: int, *, asked: int, here: int, written: int | None = None) -> Reach:
    end = asked if written is None else written
    logs = BinlogFiles(
        asked=NOW + timedelta(seconds=asked),
        sizes=tuple((f"bin.{number:06}", min(100, end - 100 * number)) for number in range(end // 100 + 1)),
    )
    moment = NOW + timedelta(seconds=second)
    own = channel(Flavour.MYSQL, 1, uses_gtid=False, source_log=f"bin.{here // 100:06}:{here % 100}")
    looked = observation(Flavour.MYSQL, 1, binlog=BinlogKeep(files=logs), at=moment)
    reach = follow_reach(known, "db1", looked, observation(Flavour.MYSQL, 2, own, at=moment), own)
    assert reach is not None
    return reach

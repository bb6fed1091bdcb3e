"""How many messages people get: never more than the pace allows, nothing left behind, the urgent before the rest."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.storm import EVERY, FIRST, GATHER, Pace, message_id, next_message, urgency
from repwatch.model.finding import Severity
from repwatch.model.notice import NoticeEvent
from tests.unit.adapters.benches import notice


@pytest.mark.parametrize(
    ("waiting", "left", "since_last", "taken"),
    [
        (0, 6, 99, 0),
        (1, 6, 0, 1),
        (250, 6, 0, 1),
        (250, 2, 0, 1),
        (250, 1.9, GATHER - 0.1, 0),
        (250, 1.9, GATHER, 250),
        (2, 1, 99, 2),
        (1, 1, 0, 1),
        (1, 0.9, 99, 0),
        (250, 0.9, 99, 0),
    ],
)
def test_what_goes_next(waiting: int, left: float, since_last: float, taken: int) -> None:
    assert len(next_message(range(waiting), Pace(left=left, at=1000.0, last=1000.0 - since_last))) == taken


@given(arrivals=st.lists(st.tuples(st.floats(0, 60), st.integers(1, 400)), max_size=40))
def test_whatever_comes_goes_out_soon_and_in_few_messages(arrivals: list[tuple[float, int]]) -> None:
    """Each second it is asked once for all that there is room for, as a courier does that nothing holds up."""
    pace, now, waiting, sent = Pace(), 0.0, list[float](), list[tuple[float, int]]()
    for pause, number in [*arrivals, (60.0, 0)]:
        waiting += [now] * number
        until = now + pause
        while now < until:
            pace = pace.by(now)
            while taken := next_message(waiting, pace):
                pace = pace.spent()
                sent.append((now, len(taken)))
                waiting = waiting[len(taken) :]
            assert all(now - came <= EVERY for came in waiting)
            now = min(now + 1.0, until)
    assert not waiting
    assert sum(number for _, number in sent) == sum(number for _, number in arrivals)
    for begin, _ in sent:
        for span in (10.0, 60.0, 600.0):
            assert sum(begin <= at <= begin + span for at, _ in sent) <= FIRST + 2 + span / EVERY


def test_a_clock_of_any_start_gives_the_whole_pace() -> None:
    for start in (0.0, 1e9):
        assert Pace().by(start).left == FIRST + 1
        assert len(next_message([1, 2], replace(Pace(at=start), left=1).by(start))) == 2


def test_what_is_critical_comes_first_and_what_is_over_last() -> None:
    for event in NoticeEvent:
        assert urgency(notice(event)) <= urgency(notice(event, severity=Severity.WARNING))
    ranks = [urgency(notice(event)) for event in (NoticeEvent.OPENED, NoticeEvent.ACKNOWLEDGED, NoticeEvent.RESOLVED)]
    assert ranks == sorted(set(ranks))
    assert urgency(notice(severity=Severity.WARNING)) > urgency(notice(NoticeEvent.REMINDER))


def test_the_id_of_a_message_is_that_of_its_notices() -> None:
    some = [notice(number=number) for number in range(3)]
    assert message_id(some[:1]) == some[0].id
    assert message_id(some) == message_id([replace(each, at=each.at + timedelta(hours=1)) for each in some])
    assert len({message_id(some), message_id(some[:2]), message_id(some[1:])}) == 3

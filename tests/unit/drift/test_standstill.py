"""When waiting alone proves that rows differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.report import Verdict
from repwatch.drift.verdict import (
    DRIFT_ROUNDS,
    STILL_MARGIN_DRIFT,
    Content,
    Events,
    Round,
    Stillness,
    judge,
    standstill_proves_at,
)
from repwatch.flows.drift_sight import Sight, is_ahead
from repwatch.flows.drift_world import Watermark
from repwatch.model.server import Flavour
from repwatch.sql.drift_position import Shown, hides, parse_shown

SOURCE, REPLICA = Content("a"), Content("b")


def round_at(
    started: float,
    *,
    second: Content | None = SOURCE,
    ahead: bool = False,
    logged_first: bool = False,
    replica: Content = REPLICA,
) -> Round:
    return Round(
        started=started,
        ended=started + 0.1,
        first=SOURCE,
        replica=replica,
        second=second,
        ahead=ahead,
        logged_first=logged_first,
    )


@given(starts=st.lists(st.floats(0, 10), min_size=1, max_size=DRIFT_ROUNDS - 1).map(sorted), since=st.floats(0, 10))
def test_it_is_the_moment_at_which_the_verdict_falls(starts: list[float], since: float) -> None:
    rounds = [round_at(start) for start in starts]
    at = standstill_proves_at(rounds, Stillness(since, since))
    if at is None:
        assert judge(rounds, Events.ROW_IMAGES, Stillness(since, 1e9)).verdict is Verdict.UNDECIDED
        return
    assert judge(rounds, Events.ROW_IMAGES, Stillness(since, at)).verdict is Verdict.DRIFTED
    assert judge(rounds, Events.ROW_IMAGES, Stillness(since, at - 0.01)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "round_",
    [round_at(5, second=None), round_at(5, second=Content("c")), round_at(5, ahead=True), round_at(STILL_MARGIN_DRIFT / 2)],
)
def test_some_rounds_have_to_be_repeated(round_: Round) -> None:
    assert standstill_proves_at([round_], Stillness(0, 6)) is None
    assert standstill_proves_at([round_], None) is None


def test_what_was_logged_first_is_proved_by_a_look_at_the_log_and_by_no_wait() -> None:
    """A commit that waits for an acknowledgement shows on a replica for long before the source shows and names it."""
    round_ = round_at(5, logged_first=True)
    ended = round_.ended
    assert judge([round_], Events.ROW_IMAGES, Stillness(0, 1e9)).verdict is Verdict.UNDECIDED
    assert judge([round_], Events.ROW_IMAGES, Stillness(0, 1e9, ended - 0.01)).verdict is Verdict.UNDECIDED
    assert judge([round_], Events.ROW_IMAGES, Stillness(0, ended, ended)).verdict is Verdict.DRIFTED
    # XA COMMIT is named before it shows: what was named in the last second may yet come.
    assert judge([round_], Events.ROW_IMAGES, Stillness(4.5, ended, ended)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("events", [Events.STATEMENTS, Events.COUNTED])
def test_nor_is_equality_proved_by_a_wait_where_it_was_logged_first(events: Events) -> None:
    round_ = round_at(5, second=None, replica=SOURCE, logged_first=True)
    assert judge([round_], events, Stillness(0, 1e9)).verdict is Verdict.UNDECIDED
    assert judge([round_], events, Stillness(0, round_.ended, round_.ended)).verdict is Verdict.IDENTICAL


def test_the_next_look_at_the_log_is_a_wait_away_until_it_has_said_enough() -> None:
    rounds = [round_at(start, logged_first=True) for start in (5, 6)]
    assert standstill_proves_at(rounds, Stillness(0, 6.2)) == pytest.approx(6.1 + STILL_MARGIN_DRIFT)
    at = standstill_proves_at(rounds, Stillness(0, 6.2, 5.5))
    assert at is not None
    assert at <= 6.2


def test_what_no_engine_takes_back_shows_before_it_is_logged() -> None:
    """A look at the log says nothing of it: only the wait does."""
    round_ = round_at(5)
    assert judge([round_], Events.ROW_IMAGES, Stillness(0, 5.2, 5.2)).verdict is Verdict.UNDECIDED
    assert judge([round_], Events.ROW_IMAGES, Stillness(0, 5.1 + STILL_MARGIN_DRIFT)).verdict is Verdict.DRIFTED


def test_what_is_unnamed_for_longer_than_a_margin_is_waited_for_no_more() -> None:
    """A look that found all named, or that came too soon, says nothing of the kind."""
    seen = Watermark()
    seen.record("P", 0, 0)
    for asked, whole, leaves_open in (
        (5.0, False, False),
        (5.2, False, False),
        (5.3, None, False),
        (5.3, True, False),
        (5.4, False, True),
    ):
        seen.record("P", asked, asked, whole=whole)
        assert seen.still is not None
        assert seen.still.leaves_open(5.1) is leaves_open
    assert seen.still is not None
    assert seen.still.named == pytest.approx(5.3)
    seen.record("Q", 6, 6, whole=False)
    assert not seen.still.leaves_open(5.1)


def test_a_source_does_not_stand_still_while_a_commit_waits_to_be_shown() -> None:
    """Nor when it is shown: its position named it long before."""
    seen = Watermark()
    for at, shown, since in (
        (1.0, Shown("log.1:10", waits=False), 1.0),
        (2.0, Shown("log.1:10", waits=False), 1.0),
        (3.0, Shown("log.1:10", waits=True), 3.0),
        (4.0, Shown("log.1:10", waits=True), 4.0),
        (5.0, Shown("log.1:20", waits=False), 5.0),
        (6.0, Shown("log.1:20", waits=False), 5.0),
        (7.0, Shown("log.2:20", waits=False), 7.0),
    ):
        seen.record("P", at, at, shown=shown)
        assert seen.still is not None
        assert seen.still.since == since
        assert seen.shows_all is not shown.waits
    assert not seen.written_to


@pytest.mark.parametrize(("sessions", "waits"), [("0", False), ("2", True), (None, False)])
def test_what_mariadb_shows_of_its_log(sessions: str | None, waits: bool) -> None:
    rows = [
        {"Variable_name": "Binlog_snapshot_position", "Value": "717"},
        {"Variable_name": "Binlog_snapshot_file", "Value": "b.2"},
    ]
    if sessions is not None:
        rows.append({"Variable_name": "Rpl_semi_sync_master_wait_sessions", "Value": sessions})
    assert parse_shown(rows) == Shown("b.2:717", waits=waits)


@pytest.mark.parametrize(
    ("exact", "shows_all", "ahead"), [(None, True, False), (None, False, True), ("0-1-6", False, True), ("0-1-7", False, False)]
)
def test_a_position_that_leads_does_not_tell_while_something_waits(exact: str | None, shows_all: bool, ahead: bool) -> None:
    """Only an exact one does."""
    source = Sight(started=0, ended=1, position="0-1-7", exact=exact, shows_all=shows_all)
    assert is_ahead(Flavour.MARIADB, source, Sight(started=0, ended=1, applied="0-1-7"), anything=False) is ahead


@pytest.mark.parametrize(
    ("position", "exact", "anything", "ahead"),
    [
        ("0-1-7", None, False, False),
        ("0-1-7", "0-1-7", False, False),
        ("0-1-7", None, True, True),
        ("0-1-7,1-1-9", "0-1-7", False, True),  # a new domain of the source's own
    ],
)
def test_what_comes_from_another_source_is_not_ahead_of_this_one(
    position: str, exact: str | None, anything: bool, ahead: bool
) -> None:
    source = Sight(started=0, ended=1, position=position, exact=exact)
    assert is_ahead(Flavour.MARIADB, source, Sight(started=0, ended=1, applied="0-1-7,1-1-9"), anything=anything) is ahead


@pytest.mark.parametrize(
    ("point", "hidden"), [("AFTER_COMMIT", False), ("after_commit", False), ("AFTER_SYNC", True), (None, True)]
)
def test_who_waits_after_the_commit_hides_nothing(point: str | None, *, hidden: bool) -> None:
    name = "rpl_semi_sync_master_wait_point"
    assert hides([{"Variable_name": name, "Value": point}]) == hidden
    assert hides([])

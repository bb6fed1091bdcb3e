"""The rule of verdicts against random histories: no false *identical*, no false *drifted*, whatever replicates, when it shows.

The model is one row on a source and a replica. Commits enter the binary log, show in the source's engine, and are named by the
source's position at three moments that lie close together in either order (MySQL's position trails what shows, MariaDB's leads);
the replica applies them after a delay, also before they show on the source. Events carry the row's image, or are statements that
work on what the replica has. A verdict is false if it holds at none of the positions that its last round may have read.
"""

import random
from bisect import bisect_right
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repwatch.drift.report import Proof, Verdict
from repwatch.drift.verdict import (
    DRIFT_SECONDS,
    EQUAL_ROUNDS,
    STILL_MARGIN_EQUAL,
    Content,
    Events,
    Judgement,
    Round,
    Stillness,
    judge,
    needs_second,
)

LIMBO = 0.2  # seconds between a commit's three moments, at most: below the margins of the rule


@dataclass(frozen=True)
class Commit:
    logged: float
    shows: float
    named: float
    applied: float
    kind: str  # "image", "add", "toggle", "set", "other"
    value: int


@dataclass(frozen=True)
class History:
    """Values after n commits, on both sides, and when each moment of each commit came."""

    commits: tuple[Commit, ...]
    source: tuple[int, ...]
    replica: tuple[int, ...]
    exact: bool  # snapshots know their positions
    leads: bool  # a commit is named before it shows
    tells: bool = False  # it can be asked what is logged and not named

    def shown(self, at: float) -> int:
        return bisect_right([commit.shows for commit in self.commits], at)

    def named(self, at: float) -> int:
        return bisect_right([commit.named for commit in self.commits], at)

    def applied(self, at: float) -> int:
        return bisect_right([commit.applied for commit in self.commits], at)

    def reached(self, position: int, at: float) -> float:
        """When the replica has applied so many commits, not before `at`."""
        return max(at, self.commits[position - 1].applied) if position else at

    def stillness(self, at: float) -> Stillness:
        named = self.named(at)
        if not self.leads:
            since = self.commits[named - 1].named if named else -100.0
            return Stillness(since, at, self._last_named(at) if self.tells else None)
        # While a commit waits to be shown the source does not stand still.
        waits = self.shown(at) < named
        last = self.commits[named - 1] if named else None
        return Stillness(at if waits else max(last.named, last.shows) if last else -100.0, at)

    def _last_named(self, at: float) -> float | None:
        """The last moment at which nothing was logged and unnamed, with the position of now."""
        logged = bisect_right([commit.logged for commit in self.commits], at)
        named = self.named(at)
        if logged == named:
            return at
        # What was logged since has its place among the unnamed; a look just before it may have been the last one.
        before = self.commits[named].logged
        since = self.commits[named - 1].named if named else -100.0
        return before - 1e-9 if before > since else None


@st.composite
def histories(draw: st.DrawFn, events: Events) -> History:
    exact = draw(st.booleans())
    leads = draw(st.booleans())
    tells = not leads and draw(st.booleans())
    # A commit that waits for an acknowledgement is in the log, and on the replica, for seconds before it shows or is named.
    stalls = draw(st.sampled_from([0.0, 0.1])) if tells or leads else 0.0
    # XA COMMIT is named and then shows, whatever the others do.
    early = 0.0 if leads else draw(st.sampled_from([0.0, 0.0, 0.3]))
    drift = draw(st.sampled_from([0, 1, -1, -1, 2]))
    every = {
        Events.ROW_IMAGES: ["image", "other"],
        Events.STATEMENTS: ["image", "add", "set", "other"],
        Events.UNDOING: ["image", "add", "toggle", "set", "other"],
        Events.COUNTED: ["add", "toggle", "other"],
    }[events]
    kinds = sorted(draw(st.sets(st.sampled_from(every), min_size=1)))
    pace = draw(st.sampled_from([0.002, 0.01, 0.05, 0.3, 2.0, 8.0]))
    spread = draw(st.sampled_from([0.0, 0.01, LIMBO]))
    delay = draw(st.sampled_from([0.0, 0.005, 0.05, 0.5, 3.0]))
    dice = random.Random(draw(st.integers(0, 2**32)))
    toggles = draw(st.booleans())
    commits: list[Commit] = []
    source, replica = [0], [drift]
    now = 0.0
    for number in range(draw(st.integers(0, 400))):
        now += dice.expovariate(1 / pace)
        kind = dice.choice(kinds)
        value = number % 2 if toggles else dice.randrange(4)
        before = commits[-1] if commits else Commit(0, 0, 0, 0, "", 0)
        ready = now + (dice.uniform(0, 4) if dice.random() < stalls else 0.0)
        shows = max(before.shows, ready + dice.uniform(0, spread))
        first = leads or dice.random() < early
        named = max(before.named, (now if leads else ready) if first else shows + dice.uniform(0, spread))
        applied = max(before.applied, now + dice.uniform(0, 2 * delay))
        commits.append(Commit(now, shows, named, applied, kind, value))
        here, there = source[-1], replica[-1]
        match kind:
            case "image":
                source.append(value)
                replica.append(value)
            case "add":
                source.append(here + 1)
                replica.append(there + 1)
            case "toggle":  # a row is added, and taken away again; a statement undoes what the last one did
                step = 1 if number % 2 else -1
                source.append(here + step)
                replica.append(there + step)
            case "set":
                source.append(value)
                replica.append(value if there == here else there)  # UPDATE … SET v = value WHERE v = here
            case _:
                source.append(here)
                replica.append(there)
    return History(tuple(commits), tuple(source), tuple(replica), exact, leads, tells)


def play(history: History, events: Events, dice: random.Random) -> tuple[Judgement, range]:
    """Rounds at random intervals until the rule has a verdict, as the settlement of a check makes them."""
    rounds: list[Round] = []
    at = dice.uniform(0, 3)
    read = range(0)
    for _ in range(14):
        started = at
        first = history.shown(at)
        # Where positions trail, the one that names all that S1 showed comes later.
        behind = not history.leads and dice.random() < 0.3
        at += 0.0 if history.leads or behind else STILL_MARGIN_EQUAL
        position = history.named(at + 0.001)
        at = history.reached(position, at + 0.002)
        there = history.applied(at)
        round_ = Round(
            started=started,
            ended=at,
            first=Content(str(history.source[first])),
            replica=Content(str(history.replica[there])),
            second=None,
            one_position=history.exact and first == there,
            behind=behind,
            logged_first=history.tells,
        )
        read = range(min(first, there), max(first, there) + 1)
        if needs_second(round_, events, history.stillness(at)):
            at += 0.002
            last = history.shown(at)
            shown = last if history.exact else min(last, history.named(at))
            round_ = Round(
                started=started,
                ended=at,
                first=round_.first,
                replica=round_.replica,
                second=Content(str(history.source[last])),
                one_position=round_.one_position,
                ahead=there > shown,
                behind=behind,
                logged_first=history.tells,
            )
            read = range(min(first, there), max(last, there) + 1)
        rounds.append(round_)
        judgement = judge(rounds, events, history.stillness(at))
        if judgement.verdict is not Verdict.UNDECIDED:
            return judgement, read
        at += dice.uniform(0.3, 4.0)
        judgement = judge(rounds, events, history.stillness(at))
        if judgement.verdict is not Verdict.UNDECIDED:
            return judgement, read
    return judge(rounds, events, history.stillness(at)), read


def assert_true(history: History, judgement: Judgement, read: range) -> None:
    same = [history.source[position] == history.replica[position] for position in read]
    if judgement.verdict is Verdict.IDENTICAL:
        assert any(same), "false identical"
    if judgement.verdict is Verdict.DRIFTED:
        assert not all(same), "false drifted"


def play_locked(history: History, at: float, *, named_only: bool = False) -> tuple[Judgement, int, int] | None:
    """A locking read at a moment: both values that it compares, by position. None if it came to nothing in time.

    Who has written the row and not made it show holds its lock, so that the reader waits for the last such commit. While it
    holds the lock nobody commits. Where positions trail, what was logged and is not named yet stands among the owned ones.
    """
    granted = max([at, *(commit.shows for commit in history.commits if commit.logged <= at)])
    if any(at < commit.logged <= granted for commit in history.commits):
        return None  # in this model the queue goes on without us
    first = history.shown(granted)
    logged = bisect_right([commit.logged for commit in history.commits], granted)
    there = history.named(granted) if named_only else max(logged, history.named(granted))
    if history.reached(there, granted) > granted + 1.0:
        return None
    contents = Content(str(history.source[first])), Content(str(history.replica[there]))
    round_ = Round(started=granted, ended=granted, first=contents[0], replica=contents[1], second=contents[0], locked=True)
    return judge([round_], Events.STATEMENTS, None), first, there


@settings(max_examples=400, deadline=None)
@given(history=histories(Events.STATEMENTS), at=st.floats(0, 60))
def test_a_locked_row_is_decided_at_once_and_rightly(history: History, at: float) -> None:
    """Invariant: what was read under a lock is one position on both sides, and its verdict is that position's."""
    played = play_locked(history, at)
    if played is not None:
        judgement, first, there = played
        assert first == there
        same = history.source[there] == history.replica[there]
        assert judgement == Judgement(Verdict.IDENTICAL if same else Verdict.DRIFTED, Proof.LOCKED)


def test_a_lock_alone_proves_nothing_where_the_position_trails() -> None:
    """Shown, not yet named: the replica is asked for one commit too few, and a counter off by one looks equal there."""
    commits = tuple(Commit(n, n, n + 0.1, n + 0.05, "add", 0) for n in range(1, 4))
    off_by_one = History(commits, (0, 1, 2, 3), (1, 2, 3, 4), exact=False, leads=False)
    short = play_locked(off_by_one, 2.01, named_only=True)
    assert short is not None
    assert short[0].verdict is Verdict.IDENTICAL  # which is wrong
    whole = play_locked(off_by_one, 2.01)
    assert whole is not None
    assert whole[0].verdict is Verdict.DRIFTED


@settings(max_examples=400, deadline=None)
@given(history=histories(Events.ROW_IMAGES), seed=st.integers(0, 2**32))
def test_row_images(history: History, seed: int) -> None:
    """Invariant: with full row images a verdict always holds at some position that was read."""
    judgement, read = play(history, Events.ROW_IMAGES, random.Random(seed))
    assert_true(history, judgement, read)


@settings(max_examples=400, deadline=None)
@given(history=histories(Events.STATEMENTS), seed=st.integers(0, 2**32))
def test_statements(history: History, seed: int) -> None:
    """Invariant: the same where statements replicate that carry a difference on for ever."""
    judgement, read = play(history, Events.STATEMENTS, random.Random(seed))
    assert_true(history, judgement, read)


@settings(max_examples=400, deadline=None)
@given(history=histories(Events.UNDOING), seed=st.integers(0, 2**32))
def test_statements_that_undo_each_other(history: History, seed: int) -> None:
    """Invariant: the same where they also set a row to and fro."""
    judgement, read = play(history, Events.UNDOING, random.Random(seed))
    assert_true(history, judgement, read)


@settings(max_examples=400, deadline=None)
@given(history=histories(Events.COUNTED), seed=st.integers(0, 2**32))
def test_counted_rows(history: History, seed: int) -> None:
    """Invariant: the same for rows without a key, of which each event adds or takes one, also to and fro."""
    judgement, read = play(history, Events.COUNTED, random.Random(seed))
    assert_true(history, judgement, read)


@pytest.mark.parametrize("events", [Events.STATEMENTS, Events.UNDOING, Events.COUNTED])
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_quiet_source_is_always_settled(events: Events, data: st.DataObject, seed: int) -> None:
    """Invariant: once nothing is committed any more, a verdict comes, and it is the right one."""
    history = data.draw(histories(events))
    quiet = max((max(commit.applied, commit.shows, commit.named) for commit in history.commits), default=0.0) + 5
    late = History(
        tuple(
            Commit(c.logged - quiet, c.shows - quiet, c.named - quiet, c.applied - quiet, c.kind, c.value)
            for c in history.commits
        ),
        history.source,
        history.replica,
        history.exact,
        history.leads,
        history.tells,
    )
    judgement, _ = play(late, events, random.Random(seed))
    expected = Verdict.IDENTICAL if history.source[-1] == history.replica[-1] else Verdict.DRIFTED
    assert judgement.verdict is expected


def test_the_long_way_takes_its_time() -> None:
    """Five equal rounds are not enough if they lie close together: a toggled row may be met in step."""
    rounds = [
        Round(started=n * 0.1, ended=n * 0.1 + 0.01, first=Content("a"), replica=Content("b"), second=Content("a"))
        for n in range(20)
    ]
    assert judge(rounds, Events.ROW_IMAGES, None).verdict is Verdict.UNDECIDED
    spread = [
        Round(
            started=n * DRIFT_SECONDS / 4,
            ended=n * DRIFT_SECONDS / 4 + 0.1,
            first=Content("a"),
            replica=Content("b"),
            second=Content("a"),
        )
        for n in range(5)
    ]
    assert judge(spread, Events.ROW_IMAGES, None).verdict is Verdict.DRIFTED
    assert judge(spread[:4], Events.ROW_IMAGES, None).verdict is Verdict.UNDECIDED


def test_a_void_reading_equals_nothing() -> None:
    """Not even another void one: what was cut or skipped is never identical."""
    void = Content(None)
    round_ = Round(started=0, ended=1, first=void, replica=void, second=void, one_position=True)
    assert judge([round_] * 9, Events.ROW_IMAGES, Stillness(-100, 100)).verdict is Verdict.UNDECIDED
    locked = replace(round_, one_position=False, locked=True)
    assert judge([locked], Events.ROW_IMAGES, Stillness(-100, 100)).verdict is Verdict.UNDECIDED


def test_rows_that_are_counted_need_many_equal_rounds() -> None:
    """A count that goes to and fro is met in the middle of a round now and then; not so often running."""
    equal = Round(started=0, ended=1, first=Content("2"), replica=Content("2"), second=Content("2"))
    assert judge([equal], Events.STATEMENTS, None).verdict is Verdict.IDENTICAL
    assert judge([equal] * (EQUAL_ROUNDS - 1), Events.COUNTED, None).verdict is Verdict.UNDECIDED
    assert judge([equal] * EQUAL_ROUNDS, Events.COUNTED, None).verdict is Verdict.IDENTICAL
    assert judge([equal] * (EQUAL_ROUNDS - 1), Events.UNDOING, None).verdict is Verdict.UNDECIDED
    assert judge([equal], Events.COUNTED, Stillness(-1, 2)).verdict is Verdict.IDENTICAL


def test_a_replica_that_may_lack_what_was_shown_is_not_equal_by_one_round() -> None:
    """Off by one, at 35 where the source shows 36 and does not say so yet: equal, and wrong for ever."""
    round_ = Round(started=0, ended=0.01, first=Content("36"), replica=Content("36"), second=Content("36"))
    assert judge([round_], Events.STATEMENTS, None).verdict is Verdict.IDENTICAL
    assert judge([replace(round_, behind=True)], Events.STATEMENTS, None).verdict is Verdict.UNDECIDED
    assert judge([replace(round_, behind=True)], Events.STATEMENTS, Stillness(-9, 9)).verdict is Verdict.IDENTICAL
    assert judge([replace(round_, behind=True)], Events.ROW_IMAGES, None).verdict is Verdict.IDENTICAL


def test_what_was_seen_to_be_images_alone_is_equal_by_one_round() -> None:
    """Whatever the settings say may replicate; but for rows that are counted, as no image puts a count right."""
    round_ = Round(started=0, ended=1, first=Content("2"), replica=Content("2"), second=None, only_images=True)
    for events in (Events.ROW_IMAGES, Events.STATEMENTS, Events.UNDOING):
        assert judge([round_], events, None).verdict is Verdict.IDENTICAL
        assert not needs_second(round_, events, None)
    assert judge([round_], Events.COUNTED, None).verdict is Verdict.UNDECIDED
    assert judge([replace(round_, only_images=False)], Events.UNDOING, None).verdict is Verdict.UNDECIDED

"""The rows in doubt of one table: reads them again and judges them, until each is proved equal or proved different."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import replace
from itertools import islice
from typing import Final

from repwatch.drift.report import Difference, Proof, Reason, Verdict
from repwatch.drift.rows import counted_difference, row_difference
from repwatch.drift.verdict import STILL_MARGIN_DRIFT, Judgement, Round, judge, standstill_proves_at
from repwatch.errors import ServerError
from repwatch.flows.drift_hot import LOCK_KEYS, Fetched, Met, fetch, may_lock, meet_locked
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import TableFailed
from repwatch.flows.drift_run import read_units
from repwatch.flows.drift_sight import Unit
from repwatch.flows.drift_tally import Tally
from repwatch.ports.database import Connect
from repwatch.sql import signature as sql
from repwatch.sql.documents import INEXACT
from repwatch.sql.keyrange import EVERYTHING, Key, KeyRange

BATCH_KEYS: Final = 200
BATCH_HASHES: Final = 2_000  # of a table that is read whole for each batch
HOT_ROWS: Final = 50  # so few rows are also tried in quick succession, to meet them between two of their changes
HOT_TRIES: Final = 30
HOT_SECONDS: Final = 5.0  # where a replica has to catch up first there is no quick succession
LOCK_TRIES: Final = 10  # rounds under locks; each keeps writers of a hot row waiting, and an evil row may hide from all of them

_TICK: Final = 0.5

Doubt = tuple[int, Key]  # replica, row


class Settlement:
    """The rows in doubt of one table, with their rounds so far, and what they come to."""

    def __init__(self, pipeline: Pipeline, tallies: Mapping[int, Tally], most: int) -> None:
        self._world = pipeline.world
        self._pipeline = pipeline
        self._source = pipeline.reader.source
        self._replicas = pipeline.reader.replicas
        self._tallies = tallies
        self._most = most  # differences that are shown of a table; more are only counted
        self._pending: dict[Doubt, list[Round]] = {}
        self._pieces: dict[Key, KeyRange] = {}  # where a row without a key was seen
        self._lock_tries = LOCK_TRIES

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def confirming(self) -> bool:
        """Rows may be in doubt for ever."""
        return False

    def take(self, compared: Compared) -> None:
        """Judge each row of a range, on the replicas that could list them; keep those that need another look."""
        events = self._pipeline.reader.events
        for number in (number for number, sight in compared.replicas.items() if not sight.void):
            alike, others = compared.rows(number)
            if alike and not self._count_alike(compared, number, alike):
                others |= alike.keys()
            for key in others:
                round_ = self._pipeline.round_of(compared, number, key)
                judgement = judge([round_], events, self._world.settled(number))
                if judgement.verdict is Verdict.IDENTICAL:
                    self._count_equal(number, round_, judgement)
                else:
                    # Under a condition the row may be on the other side and not be chosen there, and servers of other versions
                    # may order keys otherwise, so that it lies in another range: it is read by its key first.
                    self._pending[number, key] = [] if self._source.where or self._world.static else [round_]
                    if self._source.counted:
                        self._pieces[key] = compared.unit.piece

    def _count_alike(self, compared: Compared, number: int, alike: Mapping[Key, str]) -> bool:
        """Judge one of the rows that look alike, and count all if that is proved; False if it is not."""
        round_ = self._pipeline.round_of(compared, number, next(iter(alike)))
        judgement = judge([round_], self._pipeline.reader.events, self._world.settled(number))
        if judgement.verdict is not Verdict.IDENTICAL:
            return False
        self._count_rows(number, sum(map(int, alike.values())) if self._source.counted else len(alike), judgement)
        return True

    def read_again(self) -> None:
        """One more round of all rows in doubt; a few rows are also tried in quick succession. Raises SourceLost."""
        try:
            self._read_again(quick=False)
            self.judge()
            until = self._world.clock.monotonic() + HOT_SECONDS
            for _ in range(HOT_TRIES if self._quick_helps() else 0):
                if self._pending and self._world.clock.monotonic() < until:
                    self._read_again(quick=True)
        except TableFailed as failure:
            self.give_up(failure.reason)

    def _quick_helps(self) -> bool:
        """Not for many rows, not where each round waits for a delay, and not where standing still is about to settle them."""
        since = self._world.clock.monotonic() - STILL_MARGIN_DRIFT
        stills = [self._world.still(number) for number in {number for number, _ in self._pending}]
        rests = all(still is not None and still.since <= since for still in stills)
        few = len(self._pending) <= HOT_ROWS and not self._pipeline.reader.patient
        return few and not self._world.delay and not rests

    def read_locked(self, connect: Connect) -> None:
        """One more round, of a few rows, each locked on the source meanwhile."""
        few = 0 < len(self._pending) <= HOT_ROWS
        if not few or not self._lock_tries or not may_lock(self._pipeline.reader):
            return
        self._lock_tries -= 1
        keys = sorted({key for _, key in self._pending}, key=natural)
        for batch in (keys[start : start + LOCK_KEYS] for start in range(0, len(keys), LOCK_KEYS)):
            numbers = sorted({number for number, key in self._pending if key in batch} & set(self._world.standing()))
            for (number, key), met in meet_locked(self._world, connect, self._pipeline.reader, batch, numbers).items():
                if (number, key) in self._pending:
                    self._take_met(number, key, met)

    def _take_met(self, number: int, key: Key, met: Met) -> None:
        judgement = judge([met.round_], self._pipeline.reader.events, None)
        if judgement.verdict is Verdict.IDENTICAL:
            self._count_equal(number, met.round_, judgement)
            del self._pending[number, key]
        elif judgement.verdict is Verdict.DRIFTED:
            self._count(number, [met.round_])
            del self._pending[number, key]
            if len(self._tallies[number].differences) < self._most:
                names = [part.column.name for part in self._source.key]
                self._tallies[number].differences.append(self._difference(names, met.source, met.replica))

    def proved_at(self) -> float | None:
        """When all rows in doubt will be proved different if nothing moves; None if some have to be read again for that."""
        latest = 0.0
        for (number, _), rounds in self._pending.items():
            at = standstill_proves_at(rounds, self._world.still(number))
            if at is None:
                return None
            latest = max(latest, at)
        return latest

    @property
    def replicas(self) -> frozenset[int]:
        """Those on which rows are in doubt."""
        return frozenset(number for number, _ in self._pending)

    def give_up(self, reason: Reason) -> frozenset[int]:
        """What is still in doubt stays so; on which replicas."""
        given_up = self.replicas
        for number in given_up:
            self._tallies[number].reason = self._tallies[number].reason or reason
        self._pending.clear()
        self._pieces.clear()
        return given_up

    def _read_again(self, *, quick: bool) -> None:
        """One more round for every row in doubt. A quick one only counts where it proves something, or shows a change."""
        by_key: dict[Key, set[int]] = {}
        for number, key in self._pending:
            by_key.setdefault(key, set()).add(number)
        units = [
            Unit(piece=piece, keys=keys, by_row=True, replicas=frozenset().union(*(by_key[key] for key in keys)))
            for piece, keys in self._batches(by_key)
        ]
        events = self._pipeline.reader.events
        # Rows in doubt are few, and their rounds are counted in seconds.
        for compared in read_units(self._pipeline, units, gently=False):
            for key in compared.unit.keys:
                for number in by_key[key] & compared.replicas.keys():
                    rounds = self._pending.get((number, key))
                    if rounds is None:
                        continue
                    round_ = self._pipeline.round_of(compared, number, key)
                    judgement = judge([*rounds, round_], events, self._world.settled(number))
                    if judgement.verdict is Verdict.IDENTICAL:
                        self._count_equal(number, round_, judgement)
                        del self._pending[number, key]
                    elif not rounds or not _alike(rounds[-1], round_):
                        self._pending[number, key] = [round_]
                    elif not quick or round_.one_position:
                        self._pending[number, key] = [*rounds, _sharing(round_, rounds[-1])]

    def judge(self) -> None:
        """Take out the rows that are proved, and show the first of those that are different."""
        refused = self._pipeline.refused
        for number in {n for n, _ in self._pending if self._world.replicas[n].fallen is not None or n in refused}:
            for doubt in [doubt for doubt in self._pending if doubt[0] == number]:
                del self._pending[doubt]
        events = self._pipeline.reader.events
        proved: dict[int, list[Key]] = {}
        for (number, key), rounds in list(self._pending.items()):
            judgement = judge(rounds, events, self._world.still(number))
            if judgement.verdict is Verdict.DRIFTED and _is_rounding(rounds[-1]):
                self._tallies[number].reason = self._tallies[number].reason or Reason.INEXACT_NUMBERS
                del self._pending[number, key]
            elif judgement.verdict is Verdict.DRIFTED:
                proved.setdefault(number, []).append(key)
            elif judgement.verdict is Verdict.IDENTICAL:  # the source has stood still since
                self._count_equal(number, rounds[-1], judgement)
                del self._pending[number, key]
        for number, found in proved.items():
            keys = sorted(found, key=natural)
            room = max(0, self._most - len(self._tallies[number].differences))
            for key in keys[room:]:
                self._count(number, self._pending.pop((number, key)))
            for piece, batch in self._batches(keys[:room]):
                self._show(number, piece, batch)

    def _batches(self, keys: Iterable[Key]) -> Iterator[tuple[KeyRange, tuple[Key, ...]]]:
        """Keys that are looked up together; those without a key by the range in which they are."""
        by_piece: dict[KeyRange, list[Key]] = {}
        for key in keys:
            by_piece.setdefault(self._pieces.get(key, EVERYTHING), []).append(key)
        size = BATCH_HASHES if self._source.counted else BATCH_KEYS
        for piece, found in by_piece.items():
            rest = iter(found)
            while batch := tuple(islice(rest, size)):
                yield piece, batch

    def _show(self, number: int, piece: KeyRange, keys: Sequence[Key]) -> None:
        """Fetch the values of rows that are proved different. One that changed meanwhile goes through it all again."""
        source, replica, reader = self._source, self._replicas[number], self._pipeline.reader
        lanes = self._world.source.lane, self._world.replicas[number].lane
        ours = reader.submit(lanes[0], lambda db: fetch(db, source, sql.rows_of(source, keys, piece)))
        theirs = reader.submit(lanes[1], lambda db: fetch(db, replica, sql.rows_of(replica, keys, piece)))
        while wait((ours, theirs), timeout=_TICK).not_done:
            for lane in lanes if self._world.cancelled() else ():
                lane.interrupt()
        try:
            here, there = ours.result(), theirs.result()
        except ServerError:
            return  # the next round finds out what is wrong with that server
        names = [part.column.name for part in source.key]
        for key in keys:
            rounds = self._pending[number, key]
            left, right = here.get(key), there.get(key)
            if (left[0] if left else "") != rounds[-1].first.digest or (right[0] if right else "") != rounds[-1].replica.digest:
                self._pending[number, key] = rounds[:0]
                continue
            self._count(number, self._pending.pop((number, key)))
            self._tallies[number].differences.append(self._difference(names, left, right))

    def _difference(self, names: Sequence[str], left: Fetched | None, right: Fetched | None) -> Difference:
        columns, here, there = self._source.columns, left[1] if left else None, right[1] if right else None
        if not self._source.counted:
            return row_difference(names, columns, here, there)
        return counted_difference(columns, here or there or {}, int(left[0]) if left else 0, int(right[0]) if right else 0)

    def _count_equal(self, number: int, round_: Round, judgement: Judgement) -> None:
        """Count the rows of one name as proved: none if it is on neither side."""
        self._count_rows(number, int(round_.first.digest or 0) if self._source.counted else bool(round_.first.digest), judgement)

    def _count_rows(self, number: int, rows: int, judgement: Judgement) -> None:
        self._tallies[number].rows_proved += rows
        self._tallies[number].proofs |= {judgement.proof or Proof.REREAD}

    def _count(self, number: int, rounds: Sequence[Round]) -> None:
        """Count a difference; of alike rows, those that both sides have are equal."""
        judgement = judge(rounds, self._pipeline.reader.events, self._world.still(number))
        tally, last = self._tallies[number], rounds[-1]
        tally.difference_count += 1
        tally.proofs |= {judgement.proof or Proof.REREAD}
        if self._source.counted:
            here, there = int(last.first.digest or 0), int(last.replica.digest or 0)
            tally.rows_proved += min(here, there)
            tally.surplus += here < there
        else:
            tally.surplus += not last.first.digest


def _is_rounding(round_: Round) -> bool:
    """True if a document on both sides holds a number that one of them cannot keep."""
    digests = round_.first.digest or "", round_.replica.digest or ""
    return all(digests) and any(digest.startswith(INEXACT) for digest in digests)


def natural(key: Key) -> tuple[tuple[bool, int, str], ...]:
    """For sorting: whole numbers as such, all else as text."""
    return tuple((not part.lstrip("-").isdecimal(), int(part) if part.lstrip("-").isdecimal() else 0, part) for part in key)


def _alike(one: Round, other: Round) -> bool:
    return one.first.same_as(other.first) and one.replica.same_as(other.replica)


def _sharing(round_: Round, before: Round) -> Round:
    """The same round with the contents of the one before, which are alike: many thousand rows wait with five rounds each."""
    second = before.first if round_.second is not None and round_.second.same_as(before.first) else round_.second
    return replace(round_, first=before.first, replica=before.replica, second=second)

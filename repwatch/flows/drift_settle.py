"""Settles rows in doubt: reads them again, in rounds at random intervals, until each is proved equal or proved different."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from repwatch.drift.report import Proof, Reason, Verdict
from repwatch.drift.rows import row_difference
from repwatch.drift.verdict import STILL_MARGIN_DRIFT, Judgement, Round, judge
from repwatch.errors import ServerError
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import TableFailed, note_position, source_answer
from repwatch.flows.drift_run import read_units
from repwatch.flows.drift_sight import Unit
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.ports.database import Database
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import Key
from repwatch.sql.signature import ShownValue, TableReading

SETTLE_SECONDS: Final = 60.0  # a row that changes all the time is tried for so long
BATCH_KEYS: Final = 200
HOT_ROWS: Final = 50  # so few rows are also tried in quick succession, to meet them between two of their changes
HOT_TRIES: Final = 30
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.3, 4.0

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

    def __len__(self) -> int:
        return len(self._pending)

    def take(self, compared: Compared) -> None:
        """Judge each row of a range; keep those that need another look."""
        events, still = self._world.source.events, self._world.source.watermark.still
        for number in compared.replicas:
            for key in compared.keys(number):
                round_ = self._pipeline.round_of(compared, number, key)
                judgement = judge([round_], events, still)
                if judgement.verdict is Verdict.IDENTICAL:
                    self._count_equal(number, round_, judgement)
                else:
                    # Under a condition the row may be on the other side and not be chosen there: it is read by its key first.
                    self._pending[number, key] = [] if self._source.where else [round_]

    def read_again(self) -> None:
        """One more round of all rows in doubt; a few rows are also tried in quick succession. Raises SourceLost."""
        try:
            self._read_again(quick=False)
            self.judge()
            for _ in range(HOT_TRIES if len(self._pending) <= HOT_ROWS else 0):
                if self._pending:
                    self._read_again(quick=True)
        except TableFailed as failure:
            self.give_up(failure.reason)

    def give_up(self, reason: Reason) -> None:
        """What is still in doubt stays so."""
        for number in {number for number, _ in self._pending}:
            self._tallies[number].reason = self._tallies[number].reason or reason
        self._pending.clear()

    def _read_again(self, *, quick: bool) -> None:
        """One more round for every row in doubt. A quick one only counts where it proves something, or shows a change."""
        by_key: dict[Key, set[int]] = {}
        for number, key in self._pending:
            by_key.setdefault(key, set()).add(number)
        units = [
            Unit(keys=keys, by_row=True, replicas=frozenset().union(*(by_key[key] for key in keys))) for keys in _batches(by_key)
        ]
        events = self._world.source.events
        for compared in read_units(self._pipeline, units):
            for key in compared.unit.keys:
                for number in by_key[key] & compared.replicas.keys():
                    rounds = self._pending.get((number, key))
                    if rounds is None:
                        continue
                    round_ = self._pipeline.round_of(compared, number, key)
                    judgement = judge([*rounds, round_], events, self._world.source.watermark.still)
                    if judgement.verdict is Verdict.IDENTICAL:
                        self._count_equal(number, round_, judgement)
                        del self._pending[number, key]
                    elif not rounds or not _alike(rounds[-1], round_):
                        self._pending[number, key] = [round_]
                    elif not quick or round_.one_position:
                        self._pending[number, key] = [*rounds, _sharing(round_, rounds[-1])]

    def judge(self) -> None:
        """Take out the rows that are proved different, and show the first of them."""
        for number in {number for number, _ in self._pending if self._world.replicas[number].fallen is not None}:
            for doubt in [doubt for doubt in self._pending if doubt[0] == number]:
                del self._pending[doubt]
        events, still = self._world.source.events, self._world.source.watermark.still
        proved: dict[int, list[Key]] = {}
        for (number, key), rounds in self._pending.items():
            if judge(rounds, events, still).verdict is Verdict.DRIFTED:
                proved.setdefault(number, []).append(key)
        for number, found in proved.items():
            keys = sorted(found, key=natural)
            room = max(0, self._most - len(self._tallies[number].differences))
            for key in keys[room:]:
                self._count(number, self._pending.pop((number, key)))
            for batch in _batches(keys[:room]):
                self._show(number, batch)

    def _show(self, number: int, keys: Sequence[Key]) -> None:
        """Fetch the values of rows that are proved different. One that changed meanwhile goes through it all again."""
        source, replica = self._source, self._replicas[number]
        lanes = self._world.source.lane, self._world.replicas[number].lane
        ours = lanes[0].submit(lambda db: _fetch(db, source, keys))
        theirs = lanes[1].submit(lambda db: _fetch(db, replica, keys))
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
            difference = row_difference(names, source.columns, left[1] if left else None, right[1] if right else None)
            self._tallies[number].differences.append(difference)

    def _count_equal(self, number: int, round_: Round, judgement: Judgement) -> None:
        """Count one row as proved, unless it is on neither side."""
        self._tallies[number].rows_proved += 1 if round_.first.digest else 0
        self._tallies[number].proofs |= {judgement.proof or Proof.REREAD}

    def _count(self, number: int, rounds: Sequence[Round]) -> None:
        judgement = judge(rounds, self._world.source.events, self._world.source.watermark.still)
        self._tallies[number].difference_count += 1
        self._tallies[number].proofs |= {judgement.proof or Proof.REREAD}


def settle(world: CheckWorld, settlements: Sequence[Settlement]) -> None:
    """Settle several tables together, so that they share the waiting. Raises SourceLost."""
    give_up = world.clock.monotonic() + world.settle_seconds
    for settlement in settlements:
        settlement.judge()
    while any(settlements) and world.clock.monotonic() < give_up and not world.cancelled():
        world.clock.sleep(_pause(world))
        _note(world)
        for settlement in filter(len, settlements):
            settlement.judge()
        for settlement in filter(len, settlements):
            settlement.read_again()
            settlement.judge()
    for settlement in settlements:
        settlement.give_up(Reason.STOPPED if world.cancelled() else Reason.HOT_ROWS)


def _pause(world: CheckWorld) -> float:
    """Just long enough for a proof by standstill if the source stands still; else at random, in step with nothing."""
    before = world.source.watermark.still
    _note(world)
    now = world.source.watermark.still
    if before is not None and now is not None and before.since == now.since:
        return STILL_MARGIN_DRIFT + 0.05
    return random.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE)


def _note(world: CheckWorld) -> None:
    source_answer(world.source.lane.submit(partial(note_position, world)))


def natural(key: Key) -> tuple[tuple[bool, int, str], ...]:
    """For sorting: whole numbers as such, all else as text."""
    return tuple((not part.lstrip("-").isdecimal(), int(part) if part.lstrip("-").isdecimal() else 0, part) for part in key)


def _alike(one: Round, other: Round) -> bool:
    return one.first.same_as(other.first) and one.replica.same_as(other.replica)


def _sharing(round_: Round, before: Round) -> Round:
    """The same round with the contents of the one before, which are alike: many thousand rows wait with five rounds each."""
    second = before.first if round_.second is not None and round_.second.same_as(before.first) else round_.second
    return replace(round_, first=before.first, replica=before.replica, second=second)


def _fetch(db: Database, reading: TableReading, keys: Sequence[Key]) -> dict[Key, tuple[str, Mapping[str, ShownValue]]]:
    size = len(reading.key)
    rows = db.query(sql.rows_of(reading, keys)).rows
    return {sql.parse_key(row, size): ((row[size] or b"").decode(), sql.parse_shown(row, reading)) for row in rows}


def _batches(keys: Sequence[Key] | Mapping[Key, object]) -> Iterator[tuple[Key, ...]]:
    rest = iter(keys)
    while batch := tuple(islice(rest, BATCH_KEYS)):
        yield batch

"""Settles rows in doubt: reads them again, in rounds at random intervals, until each is proved equal or proved different."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from repwatch.drift.report import Proof, Verdict
from repwatch.drift.rows import row_difference
from repwatch.drift.verdict import STILL_MARGIN_DRIFT, Judgement, Round, judge
from repwatch.errors import ServerError
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_sight import Unit
from repwatch.flows.drift_tally import Tally
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


class Pending:
    """Rows in doubt, with their rounds so far."""

    def __init__(self) -> None:
        self.rounds: dict[Doubt, list[Round]] = {}

    def __len__(self) -> int:
        return len(self.rounds)

    def take(self, compared: Compared, pipeline: Pipeline, tallies: Mapping[int, Tally]) -> None:
        """Judge each row of a range; keep those that need another look."""
        events, still = pipeline.world.source.events, pipeline.world.source.watermark.still
        for number in compared.replicas:
            for key in compared.keys(number):
                round_ = pipeline.round_of(compared, number, key)
                judgement = judge([round_], events, still)
                if judgement.verdict is Verdict.IDENTICAL:
                    count_equal(tallies[number], round_, judgement)
                else:
                    self.rounds[number, key] = [round_]


def count_equal(tally: Tally, round_: Round, judgement: Judgement) -> None:
    """Count one row as proved, unless it is on neither side."""
    tally.rows_proved += 1 if round_.first.digest else 0
    tally.proofs |= {judgement.proof or Proof.REREAD}


class Settlement:
    """Settles rows of one table."""

    def __init__(
        self,
        pipeline: Pipeline,
        tallies: Mapping[int, Tally],
        most: int,
    ) -> None:
        self._world = pipeline.world
        self._pipeline = pipeline
        self._source = pipeline.reader.source
        self._replicas = pipeline.reader.replicas
        self._tallies = tallies
        self._most = most  # differences that are shown of a table; more are only counted

    def settle(self, pending: Pending) -> None:
        """Until nothing is in doubt, or the time is over: what is left then is hot. Raises SourceLost, TableFailed."""
        give_up = self._world.clock.monotonic() + SETTLE_SECONDS
        self._judge_all(pending)
        while pending.rounds and self._world.clock.monotonic() < give_up:
            self._world.clock.sleep(self._pause())
            self._note_position()
            self._judge_all(pending)
            self._read_again(pending, quick=False)
            self._judge_all(pending)
            for _ in range(HOT_TRIES if len(pending) <= HOT_ROWS else 0):
                if pending.rounds:
                    self._read_again(pending, quick=True)
        for number, _ in pending.rounds:
            self._tallies[number].hot_rows += 1
        pending.rounds.clear()

    def _pause(self) -> float:
        """Just long enough for a proof by standstill if the source stands still; else at random, in step with nothing."""
        source = self._world.source
        before = source.watermark.still
        self._note_position()
        if before is not None and source.watermark.still is not None and before.since == source.watermark.still.since:
            return STILL_MARGIN_DRIFT + 0.05
        return random.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE)

    def _note_position(self) -> None:
        self._pipeline.ask_source(self._pipeline.reader.note_position)

    def _read_again(self, pending: Pending, *, quick: bool) -> None:
        """One more round for every row in doubt. A quick one only counts where it proves something, or shows a change."""
        by_key: dict[Key, set[int]] = {}
        for number, key in pending.rounds:
            by_key.setdefault(key, set()).add(number)
        units = [
            Unit(keys=keys, by_row=True, replicas=frozenset().union(*(by_key[key] for key in keys))) for keys in _batches(by_key)
        ]
        events = self._world.source.events
        for compared in self._pipeline.run(units):
            for key in compared.unit.keys:
                for number in by_key[key] & compared.replicas.keys():
                    rounds = pending.rounds.get((number, key))
                    if rounds is None:
                        continue
                    round_ = self._pipeline.round_of(compared, number, key)
                    judgement = judge([*rounds, round_], events, self._world.source.watermark.still)
                    if judgement.verdict is Verdict.IDENTICAL:
                        count_equal(self._tallies[number], round_, judgement)
                        del pending.rounds[number, key]
                    elif not rounds or not _alike(rounds[-1], round_):
                        pending.rounds[number, key] = [round_]
                    elif not quick or round_.one_position:
                        pending.rounds[number, key] = [*rounds, round_]

    def _judge_all(self, pending: Pending) -> None:
        """Take out the rows that are proved different, and show the first of them."""
        for number in {number for number, _ in pending.rounds if self._world.replicas[number].fallen is not None}:
            for doubt in [doubt for doubt in pending.rounds if doubt[0] == number]:
                del pending.rounds[doubt]
        events, still = self._world.source.events, self._world.source.watermark.still
        proved: dict[int, list[Key]] = {}
        for (number, key), rounds in pending.rounds.items():
            if judge(rounds, events, still).verdict is Verdict.DRIFTED:
                proved.setdefault(number, []).append(key)
        for number, found in proved.items():
            keys = sorted(found, key=natural)
            room = max(0, self._most - len(self._tallies[number].differences))
            for key in keys[room:]:
                self._count(number, pending.rounds.pop((number, key)))
            for batch in _batches(keys[:room]):
                self._show(number, batch, pending)

    def _show(self, number: int, keys: Sequence[Key], pending: Pending) -> None:
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
            rounds = pending.rounds[number, key]
            left, right = here.get(key), there.get(key)
            if (left[0] if left else "") != rounds[-1].first.digest or (right[0] if right else "") != rounds[-1].replica.digest:
                pending.rounds[number, key] = rounds[:0]
                continue
            self._count(number, pending.rounds.pop((number, key)))
            difference = row_difference(names, source.columns, left[1] if left else None, right[1] if right else None)
            self._tallies[number].differences.append(difference)

    def _count(self, number: int, rounds: Sequence[Round]) -> None:
        judgement = judge(rounds, self._world.source.events, self._world.source.watermark.still)
        self._tallies[number].difference_count += 1
        self._tallies[number].proofs |= {judgement.proof or Proof.REREAD}


def natural(key: Key) -> tuple[tuple[bool, int, str], ...]:
    """For sorting: whole numbers as such, all else as text."""
    return tuple((not part.lstrip("-").isdecimal(), int(part) if part.lstrip("-").isdecimal() else 0, part) for part in key)


def _alike(one: Round, other: Round) -> bool:
    return one.first.same_as(other.first) and one.replica.same_as(other.replica)


def _fetch(db: Database, reading: TableReading, keys: Sequence[Key]) -> dict[Key, tuple[str, Mapping[str, ShownValue]]]:
    size = len(reading.key)
    rows = db.query(sql.rows_of(reading, keys)).rows
    return {sql.parse_key(row, size): ((row[size] or b"").decode(), sql.parse_shown(row, reading)) for row in rows}


def _batches(keys: Sequence[Key] | Mapping[Key, object]) -> Iterator[tuple[Key, ...]]:
    rest = iter(keys)
    while batch := tuple(islice(rest, BATCH_KEYS)):
        yield batch

"""Compares one table on the source and those replicas that hold it alike: scan, narrow, settle."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from types import MappingProxyType
from typing import Final

from repwatch.drift.report import Proof, Reason, Verdict
from repwatch.drift.resume import PieceRecord, unbroken
from repwatch.drift.settling import Trying
from repwatch.drift.summary import weakest
from repwatch.drift.verdict import Events, Round, holds_alike, judge
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import TableFailed
from repwatch.flows.drift_run import Run, Waiting, Work, read_units
from repwatch.flows.drift_settle import HOT_ROWS, Settlement
from repwatch.flows.drift_settling import settle
from repwatch.flows.drift_sight import LEAF_ROWS, Unit
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.flows.ranges import grouped, is_dense, listed_together
from repwatch.ports.database import Connect
from repwatch.sql.keyrange import KeyRange
from repwatch.sql.signature import longer

# Rows in doubt that are kept at a time; then they are settled before more is read. Bounds the memory of a check.
MOST_PENDING: Final = 20_000
_MOST_SUSPECTS: Final = 5_000  # that wait to be narrowed; with more of them pieces are kept whole and not in parts


class TableCheck:
    """One pass over one table."""

    def __init__(self, pipeline: Pipeline, *, shape: str, most: int) -> None:
        self._world = pipeline.world
        self._source = pipeline.reader.source
        self._pipeline = pipeline
        self._everyone = frozenset(pipeline.reader.replicas)
        self._shape = shape
        self.rows = 0  # of the source, as scanned
        self.since: datetime | None = None  # when the oldest piece of an earlier run that counts was read
        self._suspects: list[Unit] = []
        # Ranges that read equal, which proves nothing yet: their rows go to and fro, as events may, and only many such rounds do.
        self._equal: dict[KeyRange, dict[int, list[Round]]] = {}
        self.tallies = {number: Tally() for number in self._everyone}
        self.settlement = Settlement(pipeline, self.tallies, most)
        self._given_up: frozenset[int] = frozenset()  # replicas with rows that did not come to rest, beyond those that are kept
        self._looked_in: float | None = None  # the standstill for the sake of which rows were read again

    def __len__(self) -> int:
        return len(self.settlement) + len(self._equal)

    @property
    def confirming(self) -> bool:
        """True while ranges are read again that were equal."""
        return bool(self._equal)

    def take(self, compared: Compared) -> PieceRecord:
        """Count a piece of the scan; what did not prove equal is kept."""
        rows = sum(signature.rows for signature in compared.first.signatures.values())
        self.rows += rows
        proved = self._proved(compared)
        suspects = self._doubtful(compared, proved)
        self._suspects += suspects
        self._pipeline.differs = bool(suspects) and not self._source.counted and len(self._suspects) < _MOST_SUSPECTS
        whole = {number: [proved.get((number, piece)) for piece in compared.unit.ranges] for number in compared.replicas}
        return PieceRecord(
            table=str(self._source.table.name),
            shape=self._shape,
            lower=compared.unit.piece.lower,
            upper=compared.unit.piece.upper,
            rows=rows,
            at=self._world.clock.now() - timedelta(seconds=self._world.clock.monotonic() - compared.first.started),
            proved={number: weakest(set(filter(None, proofs))) for number, proofs in whole.items() if None not in proofs},
            doubtful=frozenset().union(*(unit.replicas for unit in suspects)),
        )

    def go_on_from(self, kept: Sequence[PieceRecord], since: datetime) -> Unit | None:
        """Count what of an earlier run holds on, if it was read after `since`; what is left of the scan, None if nothing is."""
        records = unbroken(kept, self._shape, self._everyone, since, self._world.clock.now())
        self.since = min((record.at for record in records), default=None)
        for record in records:
            self.rows += record.rows
            for number, proof in record.proved.items():
                self._count(number, record.rows, proof)
            if record.doubtful:
                self._suspects.append(Unit(piece=KeyRange(record.lower, record.upper), replicas=record.doubtful))
        upper = records[-1].upper if records else None
        if records and upper is None:
            return None
        return Unit(piece=KeyRange(upper, None), cut=True, replicas=self._everyone)

    @property
    def few_suspects(self) -> bool:
        """True if some pieces did not prove equal and were not yet narrowed, and hardly any row is in doubt so far."""
        return bool(self._suspects) and len(self.settlement) <= HOT_ROWS

    def look_again(self, since: float) -> None:
        """Read a few rows in doubt again, once in the standstill that began then, if waiting alone will not prove them different.

        They were read too soon after the last movement. Raises SourceLost.
        """
        few = 0 < len(self.settlement) <= HOT_ROWS and not self._equal
        if few and self._looked_in != since and self.proved_at() is None:
            self._looked_in = since
            self.read_again()

    def narrowing(self, most: int | None = None) -> list[Unit]:
        """What is to be read next of the pieces that did not prove equal, or of so many of them."""
        suspects, self._suspects = self._suspects[:most], self._suspects[len(self._suspects[:most]) :]
        return [self._smaller(unit) for unit in suspects]

    def narrow(self, compared: Compared) -> list[Unit]:
        """Judge a part of such a piece; what is to be read next of it. Rows in doubt are left to `settle`.

        A replica whose rows could not be listed may have some that the source does not: it lists them once more.
        """
        if not compared.unit.by_row:
            return self._doubtful(compared, self._proved(compared))
        try:
            parts = self._parts(compared)
        except TableFailed as failure:
            self._fail(failure.reason)
            return []
        if parts:
            return parts
        self.settlement.take(compared)
        unread = frozenset(number for number, sight in compared.replicas.items() if sight.void)
        return [replace(compared.unit, replicas=unread)] if unread else []

    @property
    def trying(self) -> Trying:
        """How long rows are tried beyond those that are kept: no less if any are on a replica that was not given up on."""
        return self._world.trying.after(given_up=self.settlement.replicas <= self._given_up)

    def leave(self, given_up: frozenset[int]) -> None:
        """On these replicas rows stay in doubt, whatever the others come to."""
        self._given_up |= given_up

    def judge(self) -> None:
        """Take out the rows that are proved different."""
        self.settlement.judge()

    def read_again(self) -> None:
        """One more round of all that is in doubt; a range that is not equal any more is narrowed. Raises SourceLost."""
        earlier, self._equal = self._equal, {}
        units = [Unit(piece=piece, replicas=frozenset(rounds)) for piece, rounds in earlier.items()]
        try:
            suspects: list[Unit] = []
            for compared in read_units(self._pipeline, units):
                suspects += self._doubtful(compared, self._proved(compared, earlier[compared.unit.piece]))
            self._resolve(suspects)
        except TableFailed as failure:
            self._fail(failure.reason)
        self.settlement.read_again()

    def read_locked(self, connect: Connect) -> None:
        """One more round of the rows in doubt, under locks."""
        self.settlement.read_locked(connect)

    def proved_at(self) -> float | None:
        """When all rows in doubt will be proved if nothing moves; None if something has to be read again for that."""
        return None if self._equal else self.settlement.proved_at()

    def give_up(self, reason: Reason) -> frozenset[int]:
        """What is still in doubt stays so; on which replicas."""
        given_up = self.settlement.give_up(reason)
        if not self._equal:
            return given_up
        self._fail(reason)
        self._equal.clear()
        return self._everyone

    def _fail(self, reason: Reason) -> None:
        for tally in self.tallies.values():
            tally.reason = tally.reason or reason

    def result(self) -> dict[int, Tally]:
        """What came out for each replica, once the settlement is over."""
        for number, tally in self.tallies.items():
            tally.rows = self.rows
            fallen = self._world.replicas[number].fallen or self._pipeline.refused.get(number)
            tally.reason = tally.reason or self._pipeline.failed or fallen
        return self.tallies

    def _proved(
        self, compared: Compared, earlier: Mapping[int, Sequence[Round]] = MappingProxyType({})
    ) -> dict[tuple[int, KeyRange], Proof]:
        """The ranges that are proved, by replica; they are counted."""
        events = self._pipeline.reader.events
        proved = {}
        for number, piece in product(compared.replicas, compared.unit.ranges):
            rounds = [*earlier.get(number, ()), self._pipeline.round_of(compared, number, piece)]
            judgement = judge(rounds, events, self._world.settled(number))
            if judgement.verdict is Verdict.IDENTICAL:
                proved[number, piece] = judgement.proof or Proof.REREAD
                self._count(number, compared.first.rows_in(piece), proved[number, piece])
            elif self._repeats(events) and holds_alike(rounds):
                self._equal.setdefault(piece, {})[number] = rounds
        return proved

    def _repeats(self, events: Events) -> bool:
        """True if a range that is equal is read again for that: nothing else will prove it where no moment of all comes."""
        return events is Events.COUNTED or (events is Events.UNDOING and self._world.stand is None)

    def _count(self, number: int, rows: int, proof: Proof) -> None:
        self.tallies[number].rows_proved += rows
        self.tallies[number].proofs |= {proof}

    def _doubtful(self, compared: Compared, proved: Container[tuple[int, KeyRange]]) -> list[Unit]:
        """What may differ, to be read by those replicas on which it may: large pieces in parts, else rows."""
        small: defaultdict[frozenset[int], list[tuple[KeyRange, int]]] = defaultdict(list)
        large: list[Unit] = []
        for piece in compared.unit.ranges:
            settled = self._equal.get(piece, {})
            numbers = frozenset(n for n in compared.replicas if (n, piece) not in proved and n not in settled)
            rows = max(sight.rows_in(piece) for sight in (compared.first, *compared.replicas.values()))
            alone = compared.first.signatures[piece].void or self._source.counted  # whose rows are looked up in their range
            if numbers and not compared.unit.parts and (rows > LEAF_ROWS or compared.first.signatures[piece].void):
                dense = not self._source.counted and is_dense(self._source, piece, compared.first.rows_in(piece))
                large.append(Unit(piece=piece, dense=dense, replicas=numbers))
            elif numbers:
                small[numbers].append((piece, max(rows, LEAF_ROWS) if alone else rows))
        return large + [
            Unit(piece=group[0], parts=group, by_row=True, replicas=numbers)
            for numbers, pieces in small.items()
            for group in grouped(pieces, LEAF_ROWS, listed_together(self._source))
        ]

    def _resolve(self, suspects: Sequence[Unit]) -> None:
        """Narrow doubtful pieces to rows, to the end."""
        run = Run(self._world, [Work(self._pipeline, self._smaller(unit)) for unit in suspects])
        for event in run.events():
            if isinstance(event, Compared):
                run.put(self._pipeline, self.narrow(event))
                make_room(self._world, [self])
            elif isinstance(event, Waiting):
                self._pipeline.settling(event.hold)

    def _smaller(self, unit: Unit) -> Unit:
        """What is read of a doubtful piece: its rows where they are few, or it cannot be cut; else its parts."""
        if unit.by_row or not self._source.bounds:
            return replace(unit, by_row=True)
        return replace(unit, cut=True, rows=self._pipeline.pace.rows, parted=True)

    def _parts(self, compared: Compared) -> list[Unit]:
        """A range with more rows than may be read at once, cut in two at a key of the side that has them; else by hashes."""
        sights = [compared.first, *compared.replicas.values()]
        key = next((sight.overflow for sight in sights if sight.overflow is not None), None)
        if key is None:
            return []
        replicas, (piece, *others) = frozenset(compared.replicas), compared.unit.ranges
        if others:
            return [Unit(piece=part, by_row=True, replicas=replicas) for part in compared.unit.ranges]
        if not key or compared.unit.prefix or key in (piece.lower, piece.upper):
            # Each such part is read by going through all rows: only where it then need not be read again.
            if self._source.counted and self._pipeline.reader.decides_at_once:
                return [replace(compared.unit, prefix=prefix, replicas=replicas) for prefix in longer(compared.unit.prefix)]
            raise TableFailed(Reason.NO_PRIMARY_KEY if self._source.counted else Reason.UNREADABLE)
        parts = (KeyRange(piece.lower, key), KeyRange(key, piece.upper))
        return [Unit(piece=part, by_row=True, replicas=replicas) for part in parts]


def make_room(world: CheckWorld, checks: Sequence[TableCheck]) -> None:
    """Settle what is in doubt of all these tables where no more of it is kept. Raises SourceLost."""
    if sum(len(check.settlement) for check in checks) < MOST_PENDING:
        return
    by_trying: defaultdict[Trying, list[TableCheck]] = defaultdict(list)
    for check in checks:
        if len(check.settlement):
            by_trying[check.trying].append(check)
    for trying, alike in by_trying.items():
        given_up = settle(world, [check.settlement for check in alike], trying)
        for check, replicas in zip(alike, given_up, strict=True):
            check.leave(replicas)

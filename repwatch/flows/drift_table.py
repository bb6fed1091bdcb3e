"""Compares one table on the source and those replicas that hold it alike: scan, narrow, settle."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from repwatch.drift.report import Proof, Reason, Verdict
from repwatch.drift.verdict import judge
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import TableFailed
from repwatch.flows.drift_run import Work, read_units
from repwatch.flows.drift_settle import Settlement, settle
from repwatch.flows.drift_sight import LEAF_ROWS, Unit
from repwatch.flows.drift_tally import Tally
from repwatch.sql.keyrange import EVERYTHING, KeyRange

NARROW: Final = 16  # a differing piece is cut into about that many
# Rows in doubt that are kept at a time; then they are settled before more is read. Bounds the memory of a check.
MOST_PENDING: Final = 20_000


class TableCheck:
    """One pass over one table. `settling` is called while rows that differ are looked at."""

    def __init__(self, pipeline: Pipeline, *, most: int, settling: Callable[[], None]) -> None:
        self._world = pipeline.world
        self._source = pipeline.reader.source
        self._pipeline = pipeline
        self._everyone = frozenset(pipeline.reader.replicas)
        self._settling = settling
        self._rows = 0
        self._suspects: list[Unit] = []
        self.tallies = {number: Tally() for number in self._everyone}
        self.settlement = Settlement(pipeline, self.tallies, most)

    def take(self, compared: Compared) -> None:
        """Count a piece of the scan; what did not prove equal is kept."""
        signature = compared.first.signature
        assert signature is not None
        self._rows += signature.rows
        self._suspects += self._unproved(compared)

    def resolve(self) -> None:
        """Narrow what did not prove equal; rows in doubt are left to the settlement. Raises SourceLost."""
        try:
            self._resolve(self._suspects)
        except TableFailed as failure:
            for tally in self.tallies.values():
                tally.reason = tally.reason or failure.reason

    def result(self) -> dict[int, Tally]:
        """What came out for each replica, once the settlement is over."""
        for number, tally in self.tallies.items():
            tally.rows = self._rows
            fallen = self._world.replicas[number].fallen or self._pipeline.refused.get(number)
            tally.reason = tally.reason or self._pipeline.failed or fallen
        return self.tallies

    @property
    def whole(self) -> Work:
        """The whole key space, by signatures."""
        return Work(self._pipeline, Unit(piece=EVERYTHING, cut=True, replicas=self._everyone))

    def _unproved(self, compared: Compared) -> list[Unit]:
        """Count the replicas on which a piece is proved; the piece again for the others."""
        signature = compared.first.signature
        assert signature is not None
        doubtful = set()
        for number in compared.replicas:
            judgement = judge([self._pipeline.round_of(compared, number)], self._world.source.events, self._world.standstill)
            if judgement.verdict is Verdict.IDENTICAL:
                self.tallies[number].rows_proved += signature.rows
                self.tallies[number].proofs |= {judgement.proof or Proof.REREAD}
            else:
                doubtful.add(number)
        rows = max([signature.rows, *(s.signature.rows for s in compared.replicas.values() if s.signature is not None)])
        small = rows <= LEAF_ROWS and not signature.void
        return [Unit(piece=compared.unit.piece, by_row=small, replicas=frozenset(doubtful))] if doubtful else []

    def _resolve(self, suspects: Sequence[Unit]) -> None:
        """Narrow the doubtful pieces to rows."""
        waiting = iter(suspects)
        while group := list(islice(waiting, 50)):
            self._settling()
            for leaf in self._narrowed(group):
                self._compare_rows(leaf)
                if len(self.settlement) >= MOST_PENDING:
                    settle(self._world, [self.settlement])

    def _narrowed(self, units: list[Unit]) -> Iterator[list[Unit]]:
        """Ranges small enough to be read row by row."""
        small = [unit for unit in units if unit.by_row]
        large = [unit for unit in units if not unit.by_row]
        if small:
            yield small
        if not large:
            return
        if not self._source.bounds:
            yield [Unit(piece=unit.piece, by_row=True, replicas=unit.replicas) for unit in large]
            return
        rows = max(LEAF_ROWS // 2, self._pipeline.pace.rows // NARROW)
        again = [Unit(piece=unit.piece, cut=True, replicas=unit.replicas) for unit in large]
        for compared in read_units(self._pipeline, again, rows):
            for unit in self._unproved(compared):
                yield [Unit(piece=unit.piece, by_row=True, replicas=unit.replicas)]

    def _compare_rows(self, units: list[Unit]) -> None:
        """Read ranges row by row; rows that do not prove equal at once go to the settlement."""
        queue = list(units)
        while queue:
            split: list[Unit] = []
            for compared in read_units(self._pipeline, queue):
                halves = self._halves(compared)
                split += halves
                if not halves:
                    self.settlement.take(compared)
            queue = split

    def _halves(self, compared: Compared) -> list[Unit]:
        """A range with more rows than may be read at once, cut in two at a key of the side that has them."""
        sights = [compared.first, *compared.replicas.values()]
        key = next((sight.overflow for sight in sights if sight.overflow is not None), None)
        if key is None:
            return []
        piece, replicas = compared.unit.piece, frozenset(compared.replicas)
        if not key or key in (piece.lower, piece.upper):
            raise TableFailed(Reason.UNREADABLE)
        parts = (KeyRange(piece.lower, key), KeyRange(key, piece.upper))
        return [Unit(piece=part, by_row=True, replicas=replicas) for part in parts]

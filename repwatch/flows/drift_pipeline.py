"""Reads pieces on the source and, behind it, on all replicas at once: while they read one piece, the source reads the next."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from repwatch.drift.pace import Pace
from repwatch.drift.report import Reason
from repwatch.drift.verdict import Content, Round, needs_second
from repwatch.errors import ServerError, StatementRefused, StatementTimedOut
from repwatch.flows.drift_reach import Halt, TableFailed, fall_reason, source_answer
from repwatch.flows.drift_sight import Reader, Sight, SourceSight, Unit, at_one_position, is_ahead
from repwatch.flows.drift_world import CheckWorld
from repwatch.sql.keyrange import Key
from repwatch.sql.signature import VOID

T = TypeVar("T")
WINDOW: Final = 4  # pieces under way; a replica that lags lets the source wait
HELD: Final = 64  # pieces that wait for the source to have stood still for long enough
_ABSENT: Final = Content("")
_TICK: Final = 0.5


@dataclass(kw_only=True)
class Compared:
    """A piece as seen on both sides. A replica that is not in `replicas` has fallen or refused the table."""

    unit: Unit
    first: Sight
    replicas: dict[int, Sight] = field(default_factory=dict)
    second: Sight | None = None
    facts: dict[tuple[int, bool], tuple[bool, bool]] = field(default_factory=dict)  # (one position, ahead), worked out once

    def keys(self, number: int) -> set[Key]:
        """The keys seen on either side."""
        return set(self.first.rows) | set(self.replicas[number].rows)


class Pipeline:
    """The readings of one table. `refused` collects replicas that refused a statement about it."""

    def __init__(self, world: CheckWorld, reader: Reader) -> None:
        self.world = world
        self.reader = reader
        self.pace = Pace()
        self.refused: dict[int, Reason] = {}

    def round_of(self, compared: Compared, number: int, key: Key | None = None) -> Round:
        """The round of a whole piece, or of one row of it, on one replica."""
        first, replica, second = compared.first, compared.replicas[number], compared.second
        last = second or replica
        one_position, ahead = self._facts(compared, number)
        return Round(
            started=first.started,
            ended=last.ended,
            first=_content(first, key),
            replica=_content(replica, key),
            second=None if second is None else _content(second, key),
            one_position=one_position,
            ahead=ahead,
        )

    def _facts(self, compared: Compared, number: int) -> tuple[bool, bool]:
        known = (number, compared.second is not None)
        if known not in compared.facts:
            replica, second = compared.replicas[number], compared.second
            ahead = second is not None and bool(replica.applied) and is_ahead(self.world.source.version.flavour, second, replica)
            compared.facts[known] = (at_one_position(compared.first, replica), ahead)
        return compared.facts[known]

    def run(self, units: Iterable[Unit], rows: int | None = None) -> Iterator[Compared]:
        """Read all units; pieces come in the order in which they are done. `rows`: of each piece, instead of the pace's."""
        yield from _Run(self, self.world, self.reader, units, rows).pieces()


def _content(sight: Sight, key: Key | None) -> Content:
    if key is not None:
        digest = sight.rows.get(key)
        return _ABSENT if digest is None else Content(digest or None)
    signature = sight.signature
    if signature is None or signature.void:
        return Content(None)
    return Content(f"{signature.rows}:{signature.digest}")


class _Run:
    """One run of the pipeline."""

    def __init__(self, pipeline: Pipeline, world: CheckWorld, reader: Reader, units: Iterable[Unit], rows: int | None) -> None:
        self._pipeline, self._world, self._reader, self._rows = pipeline, world, reader, rows
        self._units = deque(units)
        self._again: deque[Compared] = deque()  # S2 is to be read
        self._held: deque[Compared] = deque()
        self._done: deque[Compared] = deque()
        self._waits_for: dict[int, set[int]] = {}  # id of a piece -> replicas that have not answered
        self._inflight: dict[Future[object], Callable[[Future[object]], None]] = {}
        self._source_busy = False
        self._open = 0  # pieces read on the source and not yet on all replicas

    def pieces(self) -> Iterator[Compared]:
        try:
            while self._units or self._again or self._held or self._inflight:
                self._check_cancelled()
                self._release_held()
                self._feed_source()
                self._collect()
                while self._done:
                    yield self._done.popleft()
        finally:
            for future in self._inflight:
                future.cancel()
            wait(self._inflight)

    def _check_cancelled(self) -> None:
        if self._world.cancelled():
            raise TableFailed(Reason.STOPPED)

    def _feed_source(self) -> None:
        if self._source_busy:
            return
        lane = self._world.source.lane
        if self._again:
            compared = self._again.popleft()
            future = lane.submit(partial(self._reader.on_source_again, unit=compared.unit))
            self._follow(future, partial(self._second_read, compared))
        elif self._units and self._open < WINDOW:
            unit = self._units.popleft()
            rows = self._rows or self._pipeline.pace.rows
            future_first = lane.submit(partial(self._reader.on_source, unit=unit, rows=rows))
            self._follow(future_first, partial(self._first_read, unit))
        else:
            return
        self._source_busy = True

    def _follow(
        self, future: Future[object] | Future[Sight] | Future[SourceSight], handle: Callable[[Future[object]], None]
    ) -> None:
        self._inflight[future] = handle  # type: ignore[index] # a future is used covariantly here

    def _collect(self) -> None:
        done, _ = wait(self._inflight, timeout=_TICK, return_when=FIRST_COMPLETED)
        for future in done:
            self._inflight.pop(future)(future)

    def _first_read(self, unit: Unit, future: Future[object]) -> None:
        self._source_busy = False
        answer = source_answer(future)
        assert isinstance(answer, SourceSight)
        if answer.rest is not None:
            self._units.appendleft(
                Unit(piece=answer.rest, cut=True, dense=answer.dense, by_row=unit.by_row, replicas=unit.replicas)
            )
        signature = answer.sight.signature
        if signature is not None and self._rows is None:
            seconds = answer.sight.ended - answer.sight.started
            self._pipeline.pace = self._pipeline.pace.after(
                rows=answer.read, size=signature.size, seconds=seconds, void=signature.void
            )
        compared = Compared(unit=answer.unit, first=answer.sight)
        standing = set(self._world.standing()) & answer.unit.replicas - self._pipeline.refused.keys()
        self._waits_for[id(compared)] = standing
        self._open += 1
        for number in standing:
            lane = self._world.replicas[number].lane
            task = partial(self._reader.on_replica, unit=answer.unit, number=number, position=answer.sight.position)
            self._follow(lane.submit(task), partial(self._replica_read, compared, number))
        if not standing:
            self._all_read(compared)

    def _replica_read(self, compared: Compared, number: int, future: Future[object]) -> None:
        try:
            answer = future.result()
            assert isinstance(answer, Sight)
            compared.replicas[number] = answer
        except StatementTimedOut:
            compared.replicas[number] = Sight(signature=VOID, started=compared.first.started, ended=compared.first.ended)
        except StatementRefused:
            self._pipeline.refused[number] = Reason.UNREADABLE
        except (ServerError, Halt) as error:
            self._world.replicas[number].fallen = self._world.replicas[number].fallen or fall_reason(error)
        self._waits_for[id(compared)].discard(number)
        if not self._waits_for[id(compared)]:
            self._all_read(compared)

    def _all_read(self, compared: Compared) -> None:
        del self._waits_for[id(compared)]
        self._open -= 1
        if compared.first.coordinates is not None and compared.first.exact is None and compared.replicas:
            # Not before: the sooner the replica is read after the source, the likelier both are at one position.
            future = self._world.source.lane.submit(partial(self._reader.translate, sight=compared.first))
            self._follow(future, partial(self._translated, compared))
        else:
            self._decide(compared)

    def _translated(self, compared: Compared, future: Future[object]) -> None:
        answer = source_answer(future)
        assert isinstance(answer, Sight)
        compared.first = answer
        self._decide(compared)

    def _decide(self, compared: Compared) -> None:
        if not self._wants_second(compared):
            self._done.append(compared)
        elif not compared.unit.by_row and len(self._held) < HELD:
            self._held.append(compared)
        else:
            self._again.append(compared)

    def _wants_second(self, compared: Compared) -> bool:
        source = self._world.source
        for number in compared.replicas:
            if not compared.unit.by_row:
                # Of a whole range only equality is concluded; where it differs, it is narrowed first.
                round_ = self._pipeline.round_of(compared, number)
                if round_.first.same_as(round_.replica) and needs_second(round_, source.events, source.watermark.still):
                    return True
            elif any(
                needs_second(self._pipeline.round_of(compared, number, key), source.events, source.watermark.still)
                for key in compared.keys(number)
            ):
                return True
        return False

    def _release_held(self) -> None:
        """Pieces wait here, in the hope that the source stands still for long enough to spare S2; at the end there is no hope."""
        for _ in range(len(self._held)):
            compared = self._held.popleft()
            still = self._world.source.watermark.still
            if not self._wants_second(compared):
                self._done.append(compared)
            elif not self._units or (still is not None and still.since > compared.first.started):
                self._again.append(compared)
            else:
                self._held.append(compared)

    def _second_read(self, compared: Compared, future: Future[object]) -> None:
        self._source_busy = False
        answer = source_answer(future)
        assert isinstance(answer, Sight)
        compared.second = answer
        self._done.append(compared)

"""Reads pieces on the source and, behind it, on all replicas at once: while they read one piece, the source reads the next.

A run goes on from table to table, so that no server waits for the end of one.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from repwatch.drift.report import Reason
from repwatch.drift.throttle import Hold
from repwatch.drift.verdict import STILL_MARGIN_EQUAL
from repwatch.errors import DefinitionChanged, ServerError, StatementRefused, StatementTimedOut
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import Halt, TableFailed, fall_reason, note_position, source_answer
from repwatch.flows.drift_sight import Reader, Sight, SourceSight, Unit
from repwatch.flows.drift_world import CheckWorld
from repwatch.ports.database import Database

T = TypeVar("T")
WINDOW: Final = 6  # pieces under way; a replica that lags lets the source wait
NARROWING: Final = 64  # … and so many small parts of pieces that did not prove equal: each wait for a replica counts
HELD: Final = 2_000  # pieces that wait for the source to have stood still for long enough
_TICK: Final = 0.5
_REST: Final = 0.05


@dataclass(frozen=True, slots=True)
class Work:
    """A unit of a table that is to be read."""

    pipeline: Pipeline
    unit: Unit


@dataclass(frozen=True, slots=True)
class Exhausted:
    """All pieces of the work of a table have come, or it has failed. More may be put to it by whoever sees this."""

    pipeline: Pipeline


def read_units(pipeline: Pipeline, units: Iterable[Unit], *, gently: bool = True) -> Iterator[Compared]:
    """Read units of one table; pieces come in the order in which they are done. `gently`: hold back where a server is busy.

    Raises TableFailed at the end if the source refused a statement, and SourceLost.
    """
    for event in Run(pipeline.world, (Work(pipeline, unit) for unit in units), gently=gently).events():
        if isinstance(event, Compared):
            yield event
        elif isinstance(event, Waiting):
            pipeline.settling(event.hold)
    if pipeline.failed is not None:
        raise TableFailed(pipeline.failed)


@dataclass(frozen=True, slots=True)
class SourceRead:
    """So many rows of a piece were read on the source; the replicas follow."""

    pipeline: Pipeline
    rows: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing comes for a while; `hold`: nothing is read because a server has enough to do."""

    hold: Hold | None


Event = Compared | SourceRead | Exhausted | Waiting


class Run:
    """One run over work, which is asked for as it is needed."""

    def __init__(self, world: CheckWorld, work: Iterable[Work], *, gently: bool = True) -> None:
        self._world, self._gently = world, gently
        self._more: Iterator[Work] | None = iter(work)
        self._ready: deque[Work] = deque()
        self._again: deque[Compared] = deque()  # S2 is to be read
        self._held: deque[Compared] = deque()
        self._out: deque[Event] = deque()
        self._left: Counter[Pipeline] = Counter()  # pieces that have not come out
        self._waits_for: dict[int, set[int]] = {}  # id of a piece -> replicas that have not answered
        self._row_by_row: set[int] = set()  # those of them that hold every row of a range
        self._inflight: dict[Future[object], Callable[[Future[object]], None]] = {}
        self._source_busy = False
        self._waits: Hold | None = None

    def events(self) -> Iterator[Event]:
        """Pieces as they are done, and the end of each table. If the check is ended, tables in work fail. Raises SourceLost."""
        try:
            while self._more or self._ready or self._again or self._held or self._inflight:
                if self._world.cancelled():
                    for pipeline in self._left:
                        pipeline.failed = pipeline.failed or Reason.STOPPED
                    return
                self._release_held()
                self._feed_source()
                came = self._collect()
                if self._waits or not came:
                    self._out.append(Waiting(self._waits))
                while self._out:
                    event = self._out.popleft()
                    if not isinstance(event, Exhausted) or not self._left[event.pipeline]:
                        yield event
        finally:
            left = [future for future in self._inflight if not future.cancel()]
            if left:
                for lane in (self._world.source.lane, *(replica.lane for replica in self._world.replicas)):
                    lane.interrupt()
            wait(left)

    def put(self, pipeline: Pipeline, units: Sequence[Unit]) -> bool:
        """More units of a table, found by what came of others, before all that waits; False if there are none."""
        if units:
            self._ready.extendleft(Work(pipeline, unit) for unit in reversed(units))
            self._left[pipeline] += len(units)
        return bool(units)

    def _feed_source(self) -> None:
        if self._source_busy:
            return
        self._rest_from_standing()
        if self._again:
            compared = self._again.popleft()
            reader = compared.pipeline.reader
            self._ask_source(
                partial(reader.on_source_again, unit=compared.unit, seen=tuple(compared.replicas.values())),
                partial(self._second_read, compared),
                reader,
            )
        elif self._held and self._world.source.watermark.seen_since(self._held[0].ended + STILL_MARGIN_EQUAL):
            self._ask_source(partial(note_position, self._world, closely=True), self._looked)
        elif not self._held_back() and self._stands() and (work := self._next()) is not None:
            rows, reader = work.unit.rows or work.pipeline.pace.rows, work.pipeline.reader
            task = partial(reader.on_source, unit=work.unit, rows=rows)
            self._ask_source(task, partial(self._first_read, work), reader)
        elif self._held and not self._waits_for:
            self._ask_source(self._look_later, self._looked)

    def _rest_from_standing(self) -> None:
        """An old stand is given up once nothing is read in it any more; also while nothing may be read for long."""
        stand = self._world.stand
        if stand is not None and stand.tired and not self._inflight:
            stand.drop()

    def _stands(self) -> bool:
        """True if the next piece may be read: not while all servers are to be brought to one position. Raises SourceLost."""
        stand = self._world.stand
        if stand is None or not stand.due or not (self._ready or self._more):
            return True
        if self._inflight:
            return False
        stand.drop()
        stand.take()
        return True

    def _held_back(self) -> float:
        """Seconds for which the source should be left alone, before that is asked again."""
        if not self._gently:
            return 0.0
        self._waits = self._world.hold()
        return _REST if self._waits else min(_REST, self._world.gauge.rest())

    def _next(self) -> Work | None:
        while self._has_room() and (self._ready or self._more):
            if not self._ready and self._more:
                found = next(self._more, None)
                if found is None:
                    self._more = None
                    return None
                self._ready.append(found)
                self._left[found.pipeline] += 1
            work = self._ready.popleft()
            if work.pipeline.failed is None and work.pipeline.audience(work.unit):
                return work
            self._came(work.pipeline)
        return None

    def _has_room(self) -> bool:
        """True if the next piece may follow those that are under way."""
        unit = self._ready[0].unit if self._ready else None
        # A replica that is meant to be behind is waited for once and not again for each few pieces.
        if self._world.delay:
            return len(self._row_by_row) < NARROWING if unit is not None and unit.holds_rows else len(self._waits_for) < HELD
        if unit is not None and unit.prefix:
            return not self._waits_for  # parts by hash hold many rows
        return len(self._waits_for) < (NARROWING if unit is not None and unit.rows is not None else WINDOW)

    def _ask_source(
        self, task: Callable[[Database], T], handle: Callable[[Future[object]], None], reader: Reader | None = None
    ) -> None:
        self._source_busy = True
        lane = self._world.source.lane
        self._follow(lane.submit(task) if reader is None else reader.submit(lane, task), handle)

    def _follow(self, future: Future[T], handle: Callable[[Future[object]], None]) -> None:
        self._inflight[future] = handle  # type: ignore[index] # a future is used covariantly here

    def _collect(self) -> bool:
        """Handle what has come; False if nothing came for a while."""
        if not self._inflight:
            self._world.clock.sleep(self._held_back())
            return True
        done, _ = wait(self._inflight, timeout=_TICK, return_when=FIRST_COMPLETED)
        for future in done:
            self._inflight.pop(future)(future)
        return bool(done)

    def _answer(self, pipeline: Pipeline, future: Future[object]) -> object | None:
        """What the source said; None if it refused the statement, and the table has failed."""
        try:
            return source_answer(future)
        except TableFailed as failure:
            pipeline.failed = pipeline.failed or failure.reason
            self._came(pipeline)
            return None

    def _outdated(self, work: Work, future: Future[object]) -> bool:
        """True if the source could not read it in its snapshot, but may in another: it is done again from its beginning."""
        again = isinstance(future.exception(), DefinitionChanged) and work.pipeline.outdated()
        if again:
            self._ready.appendleft(work)
        return again

    def _came(self, pipeline: Pipeline) -> None:
        """One piece less to wait for."""
        self._left[pipeline] -= 1
        if not self._left[pipeline]:
            del self._left[pipeline]
            self._out.append(Exhausted(pipeline))

    def _first_read(self, work: Work, future: Future[object]) -> None:
        self._source_busy = False
        pipeline, unit = work.pipeline, work.unit
        if self._outdated(work, future):
            return
        answer = self._answer(pipeline, future)
        if answer is None:
            return
        assert isinstance(answer, SourceSight)
        if answer.rest is not None:
            parted = unit.parted if unit.narrows else pipeline.differs
            self.put(pipeline, [replace(unit, piece=answer.rest, cut=True, dense=answer.dense, parted=parted)])
        self._rest_from(unit, answer.sight)
        if not unit.by_row and not unit.narrows:
            self._paced(pipeline, answer)
        self._send_behind(Compared(pipeline=pipeline, unit=answer.unit, first=answer.sight))

    def _rest_from(self, unit: Unit, sight: Sight) -> None:
        """Let the source rest from a large reading."""
        if not unit.by_row:
            self._world.gauge.rest_after(sight.ended - sight.started, written_to=self._world.gentle)

    def _paced(self, pipeline: Pipeline, answer: SourceSight) -> None:
        """A reading of the scan tells of the size of the next piece."""
        found = answer.sight.signatures.values()
        void = any(signature.void for signature in found)
        seconds = answer.sight.ended - answer.sight.started
        pipeline.pace = pipeline.pace.after(rows=answer.read, seconds=seconds, void=void, gentle=self._world.gentle)
        self._out.append(SourceRead(pipeline, sum(signature.rows for signature in found)))

    def _send_behind(self, compared: Compared) -> None:
        """Let the replicas read what the source has read."""
        pipeline, unit = compared.pipeline, compared.unit
        standing = pipeline.audience(unit)
        self._waits_for[id(compared)] = standing
        if unit.holds_rows:
            self._row_by_row.add(id(compared))
        for number in standing:
            task = partial(pipeline.reader.on_replica, unit=unit, number=number, first=compared.first)
            future = pipeline.reader.submit(self._world.replicas[number].lane, task)
            self._follow(future, partial(self._replica_read, compared, number))
        if not standing:
            self._all_read(compared)

    def _replica_read(self, compared: Compared, number: int, future: Future[object]) -> None:
        try:
            answer = future.result()
            assert isinstance(answer, Sight)
            compared.replicas[number] = answer
            compared.pipeline.answered(number)
        except StatementTimedOut:
            compared.pipeline.overstayed(number)
            compared.replicas[number] = compared.first.nothing()
        except DefinitionChanged:
            if not compared.pipeline.outdated():
                compared.pipeline.refused[number] = Reason.SCHEMA_CHANGED
            compared.replicas[number] = compared.first.nothing()
        except StatementRefused:
            compared.pipeline.refused[number] = Reason.UNREADABLE
        except (ServerError, Halt) as error:
            self._world.replicas[number].fallen = self._world.replicas[number].fallen or fall_reason(error)
        self._waits_for[id(compared)].discard(number)
        if not self._waits_for[id(compared)]:
            self._all_read(compared)

    def _all_read(self, compared: Compared) -> None:
        del self._waits_for[id(compared)]
        self._row_by_row.discard(id(compared))
        if compared.first.coordinates is not None and compared.first.exact is None and compared.replicas:
            # Not before: the sooner the replica is read after the source, the likelier both are at one position.
            future = self._world.source.lane.submit(partial(compared.pipeline.reader.translate, sight=compared.first))
            self._follow(future, partial(self._translated, compared))
        else:
            self._decide(compared)

    def _translated(self, compared: Compared, future: Future[object]) -> None:
        answer = self._answer(compared.pipeline, future)
        if answer is None:
            return
        assert isinstance(answer, Sight)
        compared.first = answer
        self._decide(compared)

    def _decide(self, compared: Compared) -> None:
        if not compared.pipeline.wants_second(compared):
            self._done(compared)
        elif not compared.unit.by_row and len(self._held) < HELD:
            self._held.append(compared)
        else:
            self._again.append(compared)

    def _done(self, compared: Compared) -> None:
        if compared.pipeline.failed is None:
            self._out.append(compared)
        self._came(compared.pipeline)

    def _release_held(self) -> None:
        """Pieces wait here, oldest first, while the source may yet have stood still for long enough to spare S2.

        Not longer: what is in its log without a name may stay there for ever.
        """
        while self._held:
            compared = self._held[0]
            still = self._world.standstill
            if not compared.pipeline.wants_second(compared):
                self._done(self._held.popleft())
            elif still is None or still.since > compared.first.started - STILL_MARGIN_EQUAL or still.leaves_open(compared.ended):
                self._again.append(self._held.popleft())
            else:
                return

    def _look_later(self, db: Database) -> None:
        """Nothing else is to be read: see whether the source still stands."""
        self._world.clock.sleep(STILL_MARGIN_EQUAL / 4)
        note_position(self._world, db, closely=True)

    def _looked(self, future: Future[object]) -> None:
        self._source_busy = False
        source_answer(future)

    def _second_read(self, compared: Compared, future: Future[object]) -> None:
        self._source_busy = False
        if self._outdated(Work(compared.pipeline, compared.unit), future):
            return
        answer = self._answer(compared.pipeline, future)
        if answer is None:
            return
        assert isinstance(answer, Sight)
        compared.second = answer
        self._rest_from(compared.unit, answer)
        self._done(compared)

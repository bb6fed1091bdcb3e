"""Settles what is in doubt, of several tables together: in rounds at random intervals, or as soon as standing still proves it."""

import random
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from repwatch.drift.report import Reason
from repwatch.drift.settling import Trying
from repwatch.drift.verdict import STILL_MARGIN_DRIFT
from repwatch.flows.drift_reach import note_position, note_replica, source_answer
from repwatch.flows.drift_world import CheckWorld
from repwatch.ports.database import Connect

SETTLE_SECONDS: Final = 60.0  # a row that changes all the time is tried for so long
LOCK_AFTER: Final = 12.0  # seconds in which a difference that stays is proved without a lock
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.3, 4.0
_BEYOND = 0.02  # seconds, so that a look comes after the moment that is waited for and not on it


class Unsettled(Protocol):
    """What `settle` settles: a Settlement, or the whole check of a table."""

    @property
    def confirming(self) -> bool:
        """True while ranges are read again that were equal: that ends by itself."""
        ...

    def __len__(self) -> int: ...

    def judge(self) -> None:
        """Take out what is proved."""
        ...

    def read_again(self) -> None:
        """One more round. Raises SourceLost."""
        ...

    def read_locked(self, connect: Connect) -> None:
        """One more round of the rows that are left, under locks."""
        ...

    def proved_at(self) -> float | None:
        """When all that is in doubt will be proved if nothing moves; None if some of it has to be read again for that."""
        ...

    def give_up(self, reason: Reason) -> frozenset[int]:
        """What is still in doubt stays so; on which replicas."""
        ...


def settle(world: CheckWorld, settlements: Sequence[Unsettled], trying: Trying) -> list[frozenset[int]]:
    """Settle several tables together, so that they share the waiting; of each, the replicas given up on. Raises SourceLost."""
    began = world.clock.monotonic()
    lock_from = began + min(LOCK_AFTER, trying.seconds / 2)
    rounds = 0

    def over() -> bool:
        ends = trying.is_over(world.clock.monotonic() - began, rounds)
        return world.cancelled() or (ends and not any(settlement.confirming for settlement in settlements))

    pacing = _Pacing(world, settlements)
    for settlement in settlements:
        settlement.judge()
    while any(settlements) and not over():
        world.clock.sleep(pacing.pause())
        _note(world)
        for settlement in filter(len, settlements):
            settlement.judge()
        for settlement in filter(len, settlements):
            if over():
                break
            settlement.read_again()
            settlement.judge()
            if world.locks is not None and world.clock.monotonic() >= lock_from:
                settlement.read_locked(world.locks)
        rounds += 1
    reason = Reason.STOPPED if world.cancelled() else Reason.HOT_ROWS
    return [settlement.give_up(reason) for settlement in settlements]


class _Pacing:
    """How long to wait for the next round."""

    def __init__(self, world: CheckWorld, settlements: Sequence[Unsettled]) -> None:
        self._world, self._settlements = world, settlements
        self._read_since: float | None = None  # rows were read again for the sake of the standstill that began then

    def pause(self) -> float:
        """Seconds: no longer than a proof by standstill takes, where the source stands still; else a random time.

        What was read too soon after the last movement is read once more, as soon as that helps, and then proved by waiting.
        """
        before = self._world.source.watermark.still
        _note(self._world)
        still = self._world.source.watermark.still
        if before is None or still is None or before.since != still.since:
            return random.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE)
        now = self._world.clock.monotonic()
        times = [settlement.proved_at() for settlement in filter(len, self._settlements)]
        proved = [at for at in times if at is not None]
        if len(proved) == len(times):
            return max(0.0, *(at - now for at in proved)) + _BEYOND
        if self._read_since == still.since:
            return STILL_MARGIN_DRIFT + _BEYOND
        self._read_since = still.since
        return max(0.0, still.since + STILL_MARGIN_DRIFT - now)


def _note(world: CheckWorld) -> None:
    for number in world.standing() if world.by_both else ():
        world.replicas[number].lane.submit(partial(note_replica, world, replica=world.replicas[number]))
    source_answer(world.source.lane.submit(partial(note_position, world, closely=True)))

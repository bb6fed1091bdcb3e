"""Holds a replica that is copied from in the place of its source, for the moment in which the snapshot is taken.

Its executed set is then the position of what is read. The hold is written down before, on repwatch's side, so that the next
start lets go of what a killed reseed left (`flows/drift_holds.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from repwatch.errors import OutcomeUnknown, Refused, Unreachable
from repwatch.flows.drift_holds import HoldBook, let_go
from repwatch.flows.hold import PositionNotReached, hold, release
from repwatch.flows.turn import KILLED_SECONDS, take_turn
from repwatch.model.gtid import reached
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.ports.records import Records
from repwatch.sql import replication

_TIMEOUTS: Final = Timeouts(connect=10.0, read=600.0)  # stopping an applier waits for its transaction
_BEHIND_SECONDS: Final = 600.0
_POLL: Final = 0.5


@contextmanager
def held(donor: ReplicaTarget, records: Records, connect: Connect, clock: Clock, least: str) -> Iterator[None]:
    """Wait until the donor has executed `least`, hold its applier, and let it go again, also where the session on it is lost.

    Raises Refused where somebody else works on the donor, PositionNotReached where it stays behind, ServerError, StoreError.
    """
    let_go(donor, records, connect, clock, patience=KILLED_SECONDS)
    with connect(donor.server.writer, _TIMEOUTS) as db:
        if not take_turn(db, clock):
            raise Refused(f"a repair, a reseed or a check of {db.server} runs", hint="wait for it to end, or copy from another")
        _wait_for(db, least, clock)
        book = HoldBook(records, donor)
        was = book.begin(db)
        try:
            hold(db, donor.channel, was)
            yield
        finally:
            try:
                release(db, donor.channel, was)
            except (OutcomeUnknown, Unreachable) as lost:
                # It stays an error: others may have let it go since the session was lost, and what was read proves nothing.
                let_go(donor, records, connect, clock, patience=KILLED_SECONDS)
                if book.left() is None:
                    raise
                text = f"{lost.text}; it is still held, and the next `repwatch drift`, `repair`, `reseed` or `run` lets it go"
                raise type(lost)(text, server=lost.server, errno=lost.errno, hint=lost.hint) from None
            book.end()


def _wait_for(db: Database, position: str, clock: Clock) -> None:
    deadline = clock.monotonic() + _BEHIND_SECONDS
    while not reached(db.version.flavour, db.scalar(replication.executed(db.version)) or "", position):
        if clock.monotonic() > deadline:
            raise PositionNotReached(
                f"is behind the replica that is to be made right, and did not reach {position}",
                server=db.server,
                hint="wait until its lag is smaller, or copy from another server",
            )
        clock.sleep(_POLL)

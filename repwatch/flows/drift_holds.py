"""What `drift --proof exact` holds, written down before; the next start lets go of what a killed check left."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from repwatch.errors import Refused, RepwatchError, StoreError
from repwatch.flows.hold import Held, channel_state, release
from repwatch.flows.turn import take_turn
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Timeouts
from repwatch.ports.records import Records

_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0)  # stopping an applier waits for its transaction
HOLDS: Final = "holds"  # the folder of these records, in the state folder
_NOTHING: Final = "{}"


@dataclass(frozen=True, slots=True)
class HoldBook:
    """The record of one channel's hold."""

    records: Records
    target: ReplicaTarget

    @property
    def _name(self) -> str:
        parts = (str(self.target.server.endpoint.address), self.target.channel)
        return "-".join(re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):x}", part) for part in parts) + ".json"

    def begin(self, held: Held) -> None:
        """From here on the channel may be held; when this returns it is on the disk. Raises StoreError."""
        self.records.save(self._name, json.dumps(held.entry()))

    def end(self) -> None:
        """The channel is as it was. Raises StoreError."""
        self.records.save(self._name, _NOTHING)

    def left(self) -> Held | None:
        """How the channel was before a hold that has not ended. Raises StoreError."""
        text = self.records.load(self._name) or _NOTHING
        try:
            entry = json.loads(text)
            return Held.from_entry(entry) if entry else None
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"the record of a hold ({self._name}) is not understood",
                hint="look at the replica's delay and applier by hand, then remove the file",
            ) from None


def let_go(target: ReplicaTarget, records: Records, connect: Connect, clock: Clock, *, patience: float = 0.0) -> bool:
    """Put right what a killed check left of a replica's channel; True if there was something to put right.

    Nothing is done while somebody works on the server. Raises ServerError, StoreError, and Refused where the channel is gone.
    """
    book = HoldBook(records, target)
    if book.left() is None:
        return False
    with connect(target.server.writer, _TIMEOUTS) as db:
        # Read again under the lock: the check that was meant may have ended in the meantime.
        if not take_turn(db, clock, patience) or (held := book.left()) is None:
            return False
        state = channel_state(db, target.channel)
        stopped = (held.applier and not state.applier_running) or (held.receiver and not state.receiver_running)
        if state.held or stopped:
            release(db, target.channel, held)
        book.end()
        return True


def let_all_go(
    targets: Iterable[ReplicaTarget], records: Records, connect: Connect, clock: Clock, *, patience: float = 0.0
) -> None:
    """`let_go` of each; what hinders one hinders no other. Raises Refused with all that is left."""
    left = []
    for target in targets:
        try:
            let_go(target, records, connect, clock, patience=patience)
        except RepwatchError as error:
            left.append(f"{target.server.label}: {error}")
    if left:
        raise Refused(
            f"a check was killed while it held a replica, and its applier could not be let go: {'; '.join(left)}",
            hint="the next `repwatch drift` or `repwatch run` tries it again",
        )

"""What `drift --proof exact` and `--from` hold, written down before; the next start lets go of what a killed one left."""

import json
import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from repwatch.errors import Refused, RepwatchError, StoreError
from repwatch.flows.hold import Held, channel_state, look, release
from repwatch.flows.turn import take_turn
from repwatch.model.gtid import reached
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.ports.records import Records
from repwatch.sql import errant, replication

log = logging.getLogger("repwatch.holds")

_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0)  # stopping an applier waits for its transaction
HOLDS: Final = "holds"  # the folder of these records, in the state folder
_NOTHING: Final = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A hold that has not ended: the channel as it was before, and of which server.

    `key` is its server_uuid. MariaDB has none, so there it is the server_id, which the next server at that address may have
    too; but a new one has not executed what the held one had.
    """

    held: Held
    key: str
    executed: str

    def is_of(self, db: Database) -> bool:
        """True if that is the server. Raises ServerError."""
        executed = db.scalar(replication.executed(db.version)) or ""
        with suppress(ValueError):  # a position of the other flavour
            return _key(db) == self.key and reached(db.version.flavour, executed, self.executed)
        return False


def _key(db: Database) -> str:
    server_id, server_uuid, _ = db.text_row(errant.own_identity(db.version))
    return server_uuid or server_id or ""


@dataclass(frozen=True, slots=True)
class HoldBook:
    """The record of one channel's hold."""

    records: Records
    target: ReplicaTarget

    @property
    def _name(self) -> str:
        parts = (str(self.target.server.endpoint.address), self.target.channel)
        return "-".join(re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):x}", part) for part in parts) + ".json"

    @property
    def place(self) -> str:
        """What a person removes to forget it."""
        return f"{HOLDS}/{self._name} in the state folder"

    def begin(self, db: Database) -> Held:
        """The channel as it is, and from here on it may be held; when this returns it is on the disk.

        Raises Refused where somebody holds it, or a hold has not ended, and ServerError, StoreError.
        """
        held = look(db, self.target.channel)
        if self.left() is not None:
            raise Refused(f"a hold of {db.server} was interrupted and has not been put right", hint=f"see {self.place}")
        executed = db.scalar(replication.executed(db.version)) or ""
        self.records.save(self._name, json.dumps({**held.entry(), "server": _key(db), "executed": executed}))
        return held

    def end(self) -> None:
        """The channel is as it was. Raises StoreError."""
        self.records.save(self._name, _NOTHING)

    def left(self) -> Left | None:
        """A hold that has not ended. Raises StoreError."""
        text = self.records.load(self._name) or _NOTHING
        try:
            entry = json.loads(text)
            return Left(held=Held.from_entry(entry), key=str(entry["server"]), executed=str(entry["executed"])) if entry else None
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"the record of a hold ({self.place}) is not understood",
                hint="look at the replica's delay and applier by hand, then remove the file",
            ) from None


def let_go(target: ReplicaTarget, records: Records, connect: Connect, clock: Clock, *, patience: float = 0.0) -> bool:
    """Put right what a killed check left of a replica's channel; True if there was something to put right.

    Nothing is done while somebody works on the server. Raises ServerError, StoreError, and Refused where the channel is gone or
    another server is at that address now: what was held may still be, elsewhere.
    """
    book = HoldBook(records, target)
    if book.left() is None:
        return False
    with connect(target.server.writer, _TIMEOUTS) as db:
        # Read again under the lock: the check that was meant may have ended in the meantime.
        if not take_turn(db, clock, patience) or (left := book.left()) is None:
            return False
        if not left.is_of(db):
            free = replication.set_delay(db.version, target.channel, left.held.delay)
            end = "start it again" if left.held.applier else "leave its applier stopped"
            raise Refused(
                f"{db.server} is another server than the one that was held there ({left.key}), so it is left alone",
                hint=f"if that one still exists, stop its replication, run {free} and {end}; then remove {book.place}",
            )
        held, state = left.held, channel_state(db, target.channel)
        stopped = (held.applier and not state.applier_running) or (held.receiver and not state.receiver_running)
        if state.held or stopped:
            release(db, target.channel, held)
        book.end()
        return True


def _log(label: str) -> None:
    log.info("hold.let_go replica=%s", label)


def let_all_go(  # noqa: PLR0913 - the doors that it goes through
    targets: Iterable[ReplicaTarget],
    records: Records,
    connect: Connect,
    clock: Clock,
    *,
    patience: float = 0.0,
    tell: Callable[[str], None] = _log,
) -> None:
    """`let_go` of each, and `tell` the label of one that was; what hinders one hinders no other.

    Raises Refused with all that is left.
    """
    left = []
    for target in targets:
        try:
            if let_go(target, records, connect, clock, patience=patience):
                tell(target.server.label)
        except RepwatchError as error:
            left.append(f"{target.server.label}: {error}{f' ({error.hint})' if error.hint else ''}")
    if left:
        raise Refused(
            f"a command was killed while it held a replica, and its applier could not be let go: {'; '.join(left)}",
            hint="the next `repwatch drift`, `repair`, `reseed` or `run` tries it again",
        )

"""`drift --lock-hot`: rows that change faster than they can be met are read while a shared lock keeps them still.

Why this is exact stands in docs/decisions/0002-drift-verdict.md. Nothing is held for much longer than HOLD_SECONDS.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from repwatch.drift.verdict import Content, Round
from repwatch.errors import ServerError
from repwatch.flows.drift_sight import Reader
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.gtid import canonical
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import drift_position as positions
from repwatch.sql import locked_rows, replication
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import Key
from repwatch.sql.locked_rows import locked_rows as lock
from repwatch.sql.signature import ShownValue, TableReading

HOLD_SECONDS: Final = 1.0  # from the first lock to the last look
LOCK_SECONDS: Final = 0.5  # of them, for a locking statement; it is ended by the server
LOCK_KEYS: Final = 20  # rows that are locked at a time
_ENGINE: Final = "innodb"  # whose row locks these are

Fetched = tuple[str, Mapping[str, ShownValue]]  # a row's content, as in a Round, and its values


@dataclass(frozen=True, slots=True)
class Met:
    """One row as both sides showed it while it could not change."""

    round_: Round
    source: Fetched
    replica: Fetched | None


def may_lock(reader: Reader) -> bool:
    """Only rows that a key finds, in the engine whose locks are known; a table that is read whole would be locked whole."""
    return not reader.source.counted and bool(reader.source.bounds) and reader.source.table.engine.lower() == _ENGINE


def meet_locked(
    world: CheckWorld, connect: Connect, reader: Reader, keys: Sequence[Key], numbers: Sequence[int]
) -> dict[tuple[int, Key], Met]:
    """Those of the rows that could be met, at most LOCK_KEYS of them; none where the source does not allow it now.

    A row that is not there on the source has no lock: of it nothing is said.
    """
    try:
        with connect(world.source.spec.endpoint, Timeouts(connect=5, read=HOLD_SECONDS + 2)) as db:
            for statement in (*sql.session_setup(db.version, LOCK_SECONDS), *locked_rows.lock_setup()):
                db.execute(statement)
            db.execute(locked_rows.BEGIN)
            try:
                return _under_lock(world, db, reader, keys, numbers)
            finally:
                with suppress(ServerError):  # the end of the session releases as well
                    db.execute(locked_rows.RELEASE)
    except (
        ServerError
    ):  # a row is held by somebody else, a deadlock, no connection left; the next ordinary round sees what is lost
        return {}


def _under_lock(
    world: CheckWorld, db: Database, reader: Reader, keys: Sequence[Key], numbers: Sequence[int]
) -> dict[tuple[int, Key], Met]:
    started = world.clock.monotonic()
    until = started + HOLD_SECONDS
    first = fetch(db, reader.source, lock(reader.source, keys, db.version))
    position = position_of_all(db)
    look = _Look(world=world, keys=keys, position=position, until=until)
    answers = {
        number: world.replicas[number].lane.submit(partial(look.on_replica, reader.replicas[number])) for number in numbers
    }
    wait(answers.values(), timeout=max(0.0, until - world.clock.monotonic()))
    seen: dict[int, dict[Key, Fetched]] = {}
    for number, answer in answers.items():
        with suppress(ServerError):  # the next ordinary round finds out what is wrong with that replica
            if not answer.cancel() and answer.done() and (rows := answer.result()) is not None:
                seen[number] = rows
    if not seen:
        return {}
    # Had the server taken the locks from us meanwhile, this would fail, or show what happened since.
    again = fetch(db, reader.source, lock(reader.source, keys, db.version))
    ended = world.clock.monotonic()
    return {
        (number, key): _met(started, ended, row, rows.get(key))
        for number, rows in seen.items()
        for key, row in first.items()
        if key in again and again[key][0] == row[0]
    }


def _met(started: float, ended: float, source: Fetched, replica: Fetched | None) -> Met:
    here, there = Content(source[0] or None), Content("" if replica is None else replica[0] or None)
    return Met(Round(started=started, ended=ended, first=here, replica=there, second=here, locked=True), source, replica)


def position_of_all(db: Database) -> str:
    """A position that names every transaction whose locks are gone.

    MariaDB names a transaction before it lets go of its locks. MySQL does so afterwards; until then it stands in `gtid_owned`,
    which is therefore read first: what is missing there by then has got into `gtid_executed`.
    """
    owned = "" if db.version.is_mariadb else locked_rows.parse_owned(db.scalar(positions.UNNAMED) or "")
    written = db.scalar(replication.written(db.version)) or ""
    return canonical(db.version.flavour, ",".join(filter(None, (owned, written))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is looked at on the replicas, and until when in monotonic seconds."""

    world: CheckWorld
    keys: Sequence[Key]
    position: str
    until: float

    def on_replica(self, reading: TableReading, db: Database) -> dict[Key, Fetched] | None:
        """The rows on a replica that has applied the position; None if it does not get there in time. Runs in its lane."""
        left = self.until - self.world.clock.monotonic()
        if left <= 0 or db.scalar(positions.wait_for(db.version, self.position, max(0.1, left))) != "0":
            return None
        return fetch(db, reading, sql.rows_of(reading, self.keys))


def fetch(db: Database, reading: TableReading, statement: str) -> dict[Key, Fetched]:
    """The rows that a statement of the form `rows_of` finds, by their names."""
    size = reading.name_size
    rows = db.query(statement).rows
    return {sql.parse_key(row, size): (reading.content_of(row), sql.parse_shown(row, reading)) for row in rows}

"""Digests in the store: which each receiver has had, and those on their way. A row is written before anything is sent."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.notices import marks
from repwatch.adapters.store.tables import FAR, KEEP, TRY_AGAIN, RowState, digests, moment, stamp
from repwatch.adapters.store.under_way import take_up
from repwatch.model.digest import Digest
from repwatch.model.finding import Finding, Subject
from repwatch.ports.store import Envelope, Settled, Standing

Transaction = Callable[[], AbstractContextManager[Connection]]


class Digests:
    """`ports.store.Outbox` and `flows.digest.DigestLedger` over one table. For several threads; each call is one transaction."""

    def __init__(self, read: Transaction, write: Transaction, standing: Standing) -> None:
        self._read = read
        self._write = write
        self._standing = standing

    # -- what has been told --------------------------------------------------------------------------------------------

    def last(self, receiver: str, now: datetime) -> datetime | None:
        """The time of the receiver's last digest up to now; of its first sight if it has had none; None if it is new."""
        known = and_(digests.c.receiver == receiver, digests.c.slot <= stamp(now))
        with self._read() as connection:
            found = connection.execute(select(func.max(digests.c.slot)).where(known)).scalar()
        return moment(found) if found else None

    def begin(self, receiver: str, now: datetime) -> None:
        """From now on it gets digests."""
        self._add(receiver, now, None, RowState.DELIVERED, now)

    def add(self, receiver: str, digest: Digest, now: datetime) -> None:
        """Put one on its way; nothing happens if the receiver has, or had, the one of that time."""
        self._add(receiver, digest.at, codec.dump(codec.DIGEST, digest), RowState.WAITING, now)

    def _add(self, receiver: str, slot: datetime, body: str | None, state: str, now: datetime) -> None:
        key = and_(digests.c.receiver == receiver, digests.c.slot == stamp(slot))
        row = {"receiver": receiver, "slot": stamp(slot), "body": body, "state": state}
        row |= {"next_attempt": stamp(now), "last_error": ""}
        with self._write() as connection:
            if connection.execute(select(digests.c.seq).where(key)).first() is None:
                connection.execute(insert(digests).values(**row, attempts=0))

    # -- what is on its way --------------------------------------------------------------------------------------------

    def due(self, receiver: str, now: datetime, most: int) -> tuple[Envelope, ...]:
        """The oldest that may be tried now."""
        ripe = or_(digests.c.next_attempt <= stamp(now), digests.c.next_attempt > stamp(now + FAR))
        wanted = and_(digests.c.receiver == receiver, digests.c.state == RowState.WAITING, ripe)
        with self._read() as connection:
            rows = connection.execute(select(digests).where(wanted).order_by(digests.c.seq).limit(most)).all()
        return tuple(
            Envelope(
                seq=row.seq,
                incident_id="",
                receiver=receiver,
                notice=codec.DIGEST.validate_json(row.body),
                attempts=row.attempts,
                thread={},
                reached=False,
            )
            for row in rows
        )

    def settle(self, settled: Sequence[Settled]) -> None:
        """Mark them. A digest leaves nothing to remember."""
        with self._write() as connection:
            for each in settled:
                connection.execute(update(digests).where(digests.c.seq == each.envelope.seq).values(**marks(each)))

    def forget_old(self, now: datetime) -> None:
        """Those that nobody asks for any more go."""
        with self._write() as connection:
            connection.execute(delete(digests).where(digests.c.slot < stamp(now - KEEP)))

    # -- findings ------------------------------------------------------------------------------------------------------

    def set_standing(self, finding: Finding) -> None:
        """In the store."""
        self._standing.set_standing(finding)

    def clear_standing(self, subject: Subject) -> None:
        """In the store."""
        self._standing.clear_standing(subject)


def take_up_digests(connection: Connection, receivers: Sequence[str], now: datetime) -> None:
    """What was refused lately is tried again."""
    refused = and_(digests.c.state == RowState.GIVEN_UP, digests.c.slot >= stamp(now - TRY_AGAIN))
    connection.execute(update(digests).where(refused).values(state=RowState.WAITING))
    take_up(connection, digests, receivers, now)

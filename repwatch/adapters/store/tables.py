"""The tables. Times are RFC 3339 text in UTC of one fixed width, which sorts as time does and reads well in any SQL shell."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint, text

metadata = MetaData()
KEEP = timedelta(days=90)  # resolved incidents and what was sent of them
TRY_AGAIN = timedelta(days=7)  # how old an incident or a digest may be for what was refused of it to be tried again at a start
FAR = timedelta(hours=2)  # no pause is that long: the wall clock was set back, and what is to be tried then is due

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("resolved", Text),
    Column("acknowledged", Text),  # its own column: who acknowledges does not race with the service
    Column("acknowledged_by", Text),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False),
    # The database itself refuses a second open incident of one subject.
    Index(
        "one_open_incident", "key", unique=True, sqlite_where=text("resolved IS NULL"), postgresql_where=text("resolved IS NULL")
    ),
    Index("incidents_of_cluster", "cluster", "resolved"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("notice_id", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("incident_id", Text, ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Text, nullable=False),
    Column("delivered_at", Text),
    Column("last_error", Text, nullable=False),
    Column("retried_since", Text),  # the time of the first attempt after one that failed; no start forgets it
    Column("message", Text),  # id of the message that it is told in: its own, or a bundle's; None: not decided
    UniqueConstraint("notice_id", "receiver", name="one_row_for_each_receiver"),
    Index("outbox_of_receiver", "receiver", "state", "seq"),
    Index("outbox_of_incident", "incident_id", "receiver"),
    Index("outbox_of_message", "receiver", "message"),
    sqlite_autoincrement=True,
)

bundles = Table(
    "bundles",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    Column("thread", Text, nullable=False),
    Column("ended", Integer, nullable=False),  # as its message shows
    Column("acknowledged", Integer, nullable=False),  # as its message shows
    Column("at", Text, nullable=False),  # when it was last brought up to date
)

digests = Table(
    "digests",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("receiver", Text, nullable=False),
    Column("slot", Text, nullable=False),  # the time that it is for, whenever it is made
    Column("body", Text),  # None: the receiver was new then
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Text, nullable=False),
    Column("delivered_at", Text),
    Column("last_error", Text, nullable=False),
    UniqueConstraint("receiver", "slot", name="one_digest_at_a_time"),
    sqlite_autoincrement=True,
)

threads = Table(
    "threads",
    metadata,
    Column("incident_id", Text, ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

standing = Table(
    "standing",
    metadata,
    Column("key", Text, primary_key=True),
    Column("cluster", Text, nullable=False),
    Column("body", Text, nullable=False),
)

views = Table(
    "views",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("as_of", Text, nullable=False),
    Column("poll_seconds", Float, nullable=False),
    Column("body", Text, nullable=False),
)

drift_runs = Table(
    "drift_runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("cluster", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("body", Text, nullable=False),
    sqlite_autoincrement=True,
)

proofs = Table(
    "proofs",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("server", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("since", Text, nullable=False),
    Column("checked", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("proved", Text),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("target", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("until", Text, nullable=False),
    sqlite_autoincrement=True,
)

suspicions = Table(
    "suspicions",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("server", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

restarts = Table(
    "restarts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("cluster", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("body", Text, nullable=False),
)

# The source that each cluster with source = "auto" has settled on.
sources = Table(
    "sources",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("body", Text, nullable=False),
)


class RowState:
    """States of an outbox row."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


def stamp(moment: datetime) -> str:
    """A time as stored."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(stored: str) -> datetime:
    """A stored time."""
    return datetime.fromisoformat(stored)

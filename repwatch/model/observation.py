"""What one probe of one server saw. Server words (`Slave_IO_Running`) never get here: the probe adapter translates.

Three things stay distinct that nearly every tool merges: stopped, connecting and unknown; lag 0 and lag NULL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from repwatch.model.applier import ApplierWork
from repwatch.model.risks import Risks
from repwatch.model.sequence import AutoIncrements
from repwatch.model.server import Address, ServerVersion


class ThreadState(StrEnum):
    """State of a receiver or applier. Only a receiver can be CONNECTING."""

    RUNNING = "running"
    CONNECTING = "connecting"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadError:
    """The last error of a receiver, applier or worker; `errno` is never 0."""

    errno: int
    text: str
    at: datetime | None = None
    worker: int | None = None  # the applier worker's number, None for the thread itself


class LagBasis(StrEnum):
    """Where a lag figure comes from, best first."""

    HEARTBEAT = "heartbeat"  # repwatch's own, where it is configured
    PERFORMANCE_SCHEMA = "performance-schema"
    STATUS = "status"  # Seconds_Behind_Source
    MOVEMENT = "movement"  # for how long something that it lacks has been seen to wait


class LagQuality(StrEnum):
    """What may be concluded from a lag figure."""

    EXACT = "exact"
    LOWER_BOUND = "lower-bound"  # it is this far behind, and perhaps further
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Seconds behind the source; `seconds` None is unknown and never 0."""

    seconds: float | None
    basis: LagBasis
    at_least: bool = False

    @property
    def quality(self) -> LagQuality:
        """What may be concluded from it."""
        if self.seconds is None:
            return LagQuality.UNKNOWN
        return LagQuality.LOWER_BOUND if self.at_least else LagQuality.EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A receiver's signs of life beside what it receives: an idle source sends a heartbeat each `period`."""

    heartbeats: int | None = None  # since the receiver started; None: not known
    period: timedelta = timedelta(0)  # 0: none are sent, or not known
    last_commit: datetime | None = None  # when the last transaction that it received was committed on the source, if known


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often a receiver has tried to connect to its source in vain, of how many times before it gives up."""

    made: int
    most: int
    pause: timedelta  # between two


@dataclass(frozen=True, slots=True, kw_only=True)
class BinlogFiles:
    """A server's binary logs, asked for where their size decides when they are deleted, or a replica goes by them."""

    asked: datetime
    before: datetime | None = None  # when they were asked for the last time before that
    sizes: tuple[tuple[str, int], ...]  # (name, bytes), the oldest first
    rate: float | None = None  # bytes that were written in a second since they were asked for before; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class BinlogKeep:
    """What a server no longer has in its binary logs, and for how long it keeps the rest."""

    purged: str = ""  # GTIDs; "": nothing, or not known
    asked: datetime | None = None  # when that was asked for; it is not part of every look on MariaDB
    keep: timedelta | None = None  # None: until somebody deletes them, or not known
    most: int | None = None  # bytes of all of them; None: any number
    files: BinlogFiles | None = None  # None: not asked
    least_clients: int = 0  # with fewer replicas connected the server deletes nothing by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSpace:
    """The last time that a server's error log told of a write which it could not do because a disk is full."""

    at: datetime  # by repwatch's clock, to a few seconds
    text: str
    stuck_at: str | None = None  # of a log that waits for room: gtid_executed as it was first seen to; None: InnoDB's own files


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """A file system on which a server has its data or its logs. Bytes; what is reserved for root is neither."""

    path: str  # where it is mounted
    used: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks:
    """What a MariaDB server tells of its disks; none where the account may not see them."""

    asked: datetime
    spaces: tuple[DiskSpace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """A clone has removed all data of the server, has not brought the donor's, and nothing else has brought data since."""

    donor: str  # its address as the server was told it
    begun: str  # by the server's clock, UTC
    running: bool  # False: it has failed, or was killed with the server
    errno: int = 0
    error: str = ""


class ThreadWait(StrEnum):
    """What a receiver waits for that is no silence of its source; an applier may wait for the disk as well."""

    RELAY_SPACE = "relay-space"  # relay_log_space_limit: the applier has to make room
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelObservation:
    """One replication channel of a replica (MySQL channel, MariaDB connection); the default one is named ""."""

    name: str
    source: Address
    source_server_id: int  # 0: it has never connected
    source_uuid: str  # "" on MariaDB
    receiver: ThreadState
    applier: ThreadState
    receiver_text: str  # the server's own description of what the thread does
    applier_text: str
    receiver_wait: ThreadWait | None = None
    pulse: Pulse = Pulse()
    receiver_error: ThreadError | None = None
    attempts: Attempts | None = None  # None: the server does not count them, or not how many there are
    applier_error: ThreadError | None = None  # the one that matters: a worker's own error where there is one
    gtid_received: str = ""
    gtid_executed: str = ""
    uses_gtid: bool = True
    lag: Lag
    delay: timedelta = timedelta(0)  # SQL_Delay, as configured on the server
    relay_space: int | None = None  # bytes of relay logs
    source_log: str = ""  # file:position read from the source
    applied_log: str = ""  # file:position applied
    relay_log: str = ""  # file:position of the relay log, where the applier stands
    work: ApplierWork | None = None  # of an applier that did not get on since the look before
    failed_gtid: str = ""  # of the transaction that stopped the applier, "" if not known
    failed_table: str = ""  # `schema.table` out of the error text, "" if not known
    filters: str = ""  # what the channel leaves out, in one canonical text; "": nothing
    skip_pending: int = 0  # events or event groups that the applier is about to skip
    groups: int | None = None  # transactions that the applier has begun since it was set up (MariaDB); skipped ones do not count


class BeatsUnread(StrEnum):
    """Why the heartbeats on a server could not be read."""

    DENIED = "denied"  # SELECT on the table is missing
    REFUSED = "refused"  # by the server; mostly there is no such table
    TIMED_OUT = "timed-out"  # as beside a lock on the table


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """A server's clock against that of repwatch's machine, read within a statement: the error is half of its round trip."""

    ahead: timedelta  # negative: it is behind
    error: timedelta  # `ahead` may be wrong by so much, either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One server at one moment. `at` is taken when the last answer had arrived."""

    at: datetime
    took: timedelta
    version: ServerVersion
    server_id: int
    server_uuid: str  # "" where the flavour has none
    read_only: bool  # ordinary accounts cannot write (super_read_only implies it)
    log_bin: bool
    half_loaded: bool = False  # a reseed has marked it, or a clone has emptied it: its data are not whole yet
    emptied: Emptied | None = None  # by a clone; None: no, or not known (MariaDB)
    gtid_executed: str  # all this server has executed, whatever it came from
    binlog: BinlogKeep = BinlogKeep()
    no_space: NoSpace | None = None  # None: nothing is told of it, or it cannot be asked (MariaDB)
    disks: Disks | None = None  # None: it does not tell
    gtid_binlog: str = ""  # MariaDB: the last one of each domain in its binary logs, those that are gone included
    gtid_logged: str = ""  # MariaDB: the last one of each server and domain in its binary logs, those that are gone included
    instance: str = ""  # host, port and data folder as the server itself has them: equal for two addresses of one server
    channels: tuple[ChannelObservation, ...] = ()
    risks: Risks | None = None  # None if they could not be seen
    auto_increments: AutoIncrements | None = None  # of a source; None: not asked
    beats: Mapping[int, datetime] = field(default_factory=dict)  # heartbeats that are here, by the server_id of their source
    beats_unread: BeatsUnread | None = None  # None: they were read, or are not wanted
    clock: datetime | None = None  # the server's own time when they were read
    reading: ClockReading | None = None  # None: it did not tell its time
    dump_clients: int | None = None  # replicas connected to this server now, None if that could not be seen
    skipped: tuple[str, ...] = field(default=())  # views that could not be read, with the reason

    def channel(self, name: str) -> ChannelObservation | None:
        """The channel of that name, None if there is none."""
        return next((channel for channel in self.channels if channel.name == name), None)

    @property
    def gtid_offered(self) -> str:
        """What a replica can get of it: not what a MariaDB server has applied, as a replica once, and never logged.

        Nor what `gtid_logged` has of a server that wrote in the same domain before: its numbers may be larger.
        """
        return self.gtid_binlog or self.gtid_executed


class ProbeFailure(StrEnum):
    """Why there is no observation."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    LOGIN_REFUSED = "login-refused"
    PRIVILEGE_MISSING = "privilege-missing"
    DISK_FULL = "disk-full"  # the status statement hangs behind a thread that waits for space
    NOT_MYSQL = "not-mysql"
    FAILED = "failed"  # the server answered, but not as understood
    NOT_ASKED = "not-asked"  # repwatch itself could not look: the server has nothing to do with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Unobserved:
    """A probe that saw nothing, with the reason. The server's state is then unknown, never healthy."""

    at: datetime
    took: timedelta
    failure: ProbeFailure
    text: str
    hint: str = ""
    errno: int = 0


ProbeResult = Observation | Unobserved

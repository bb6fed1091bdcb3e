"""What a server tells about ways in which its data may come to differ: settings, counters, semi-synchronous replication."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class SemiSync:
    """Semi-synchronous replication as a source has it. `fallbacks` counts from the server's start."""

    enabled: bool
    active: bool
    clients: int  # replicas that acknowledge
    fallbacks: int  # how often it went on without an acknowledgement
    unacknowledged: int  # transactions that were committed so
    acknowledged: int = 0  # transactions that were not; both numbers begin anew with FLUSH STATUS
    waiting: int = 0  # sessions whose commit waits now; on MySQL those behind the first of them do not count


@dataclass(frozen=True, slots=True, kw_only=True)
class Risks:
    """`settings` are by their names in MySQL 8.4, in lower case; what a server does not have is not there."""

    settings: Mapping[str, str] = field(default_factory=dict)
    semisync: SemiSync | None = None
    uptime: float = 0.0  # seconds
    starts: int = 0  # START REPLICA, by anybody, since the server's start
    stops: int = 0  # STOP REPLICA, likewise; counted when it begins
    skipped_errors: int = 0  # errors that the applier went over since the server's start (MariaDB)
    log_filters: Mapping[str, str] | None = None  # which schemas it logs or not, by the options' names; None: not looked
    by_hand: int | None = None  # how often a session named a GTID or set a skip counter (MySQL); None: not looked
    assigns_gtids: bool = False  # a channel names anonymous transactions by the replica's own uuid (MySQL)


class SuspicionCause(StrEnum):
    """What may have made a replica's data differ."""

    ERRANT = "errant-transactions"
    SKIPPED = "skipped-transactions"
    SKIPS_ERRORS = "skips-errors"  # replica_skip_errors is set
    IDEMPOTENT = "idempotent"
    APPLIER_ERROR = "applier-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A channel's data may differ, for one cause. `server` is `host:port`; no `tables`: any table may."""

    server: str
    channel: str
    cause: SuspicionCause
    details: tuple[str, ...]  # what was seen; the same again is no new suspicion
    since: datetime  # of the latest of them
    tables: tuple[str, ...] = ()
    named: tuple[str, ...] = ()  # some of the tables that a check found in the replica's binary log; there may be others
    cleared: datetime | None = None  # by a check that began after `since`; kept while the cause is still to be seen

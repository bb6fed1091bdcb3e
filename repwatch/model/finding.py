"""A finding: one diagnosed condition with a stable code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; `CRITICAL` wakes somebody."""

    WARNING = "warning"
    CRITICAL = "critical"


class FindingCode(StrEnum):
    """Stable codes; scripts and runbooks read them. Each has a page in docs/findings/."""

    SERVER_UNREACHABLE = "server-unreachable"
    LOGIN_REFUSED = "login-refused"
    PRIVILEGE_MISSING = "privilege-missing"
    RECEIVER_STOPPED = "receiver-stopped"
    RECEIVER_RETRYING = "receiver-retrying"
    RECEIVER_ERROR = "receiver-error"
    RECEIVER_STALLED = "receiver-stalled"
    APPLIER_STOPPED = "applier-stopped"
    APPLIER_ERROR = "applier-error"
    APPLIER_BLOCKED = "applier-blocked"
    APPLIER_STALLED = "applier-stalled"
    BINLOG_PURGED = "binlog-purged"
    PURGE_HORIZON = "purge-horizon"
    LAGGING = "lagging"
    DISK_FULL = "disk-full"
    DISK_NEARLY_FULL = "disk-nearly-full"
    RELAY_SPACE_FULL = "relay-space-full"
    AUTO_INCREMENT_EXHAUSTION = "auto-increment-exhaustion"
    REPLICATION_MISSING = "replication-missing"
    WRONG_SOURCE = "wrong-source"
    REPLICA_WRITABLE = "replica-writable"
    DUPLICATE_SERVER_ID = "duplicate-server-id"
    SOURCE_CHANGED = "source-changed"
    SOURCE_READ_ONLY = "source-read-only"
    ERRANT_TRANSACTIONS = "errant-transactions"
    SKIPPED_TRANSACTIONS = "skipped-transactions"
    SUSPECT_DATA = "suspect-data"
    UNSAFE_SETTINGS = "unsafe-settings"
    REPLICATION_FILTERS_DIFFER = "replication-filters-differ"
    SEMISYNC_DEGRADED = "semisync-degraded"
    COMMITS_BLOCKED = "commits-blocked"
    DRIFTED = "drifted"
    PROOF_OVERDUE = "proof-overdue"
    HALF_LOADED = "half-loaded"
    HEARTBEAT_STOPPED = "heartbeat-stopped"
    CLOCK_SKEW = "clock-skew"
    OBSERVATION_STALE = "observation-stale"
    RECEIVER_UNDELIVERABLE = "receiver-undeliverable"
    BUTTON_DISCONNECTED = "button-disconnected"


BLOCKS = "blocks"
"""In the evidence of a finding: the servers that cannot work because of it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about, and with `code` the identity of its incident. `server` is `host:port`; "" is the cluster."""

    cluster: str
    server: str
    channel: str
    code: FindingCode

    @property
    def key(self) -> str:
        """The incident's stable key, as receivers of a notice see it."""
        return f"{self.cluster}/{self.server}/{self.channel}/{self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One condition as diagnosed now. Texts are for people; nothing decides on them."""

    subject: Subject
    severity: Severity
    summary: str  # what happened, one line
    meaning: str  # what it means
    remedy: str  # what to do next
    avoid: str = ""  # what not to do
    evidence: Mapping[str, str] = field(default_factory=dict)
    settled: bool = True  # False: a person or a second look may still show it to be nothing; confirmation takes longer
    being_restarted: bool = False  # repwatch is about to put it right: a fact, and news only if that does not help
    patience: timedelta = timedelta(0)  # nobody is told before it was seen for so long: what repwatch itself does is no news

"""A notice: one message about an incident to one receiver; and a bundle of notices, for when there are too many to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from repwatch.model.finding import Severity, Subject
from repwatch.model.impact import Impact


class NoticeEvent(StrEnum):
    """Why a notice is sent."""

    OPENED = "opened"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    REMINDER = "reminder"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """URLs at which one reads more; "" where none is configured."""

    page: str = ""  # repwatch's own status page, at the finding
    runbook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a receiver is told. `id` stays the same over retries, `subject.key` over the incident's life."""

    id: str
    subject: Subject
    event: NoticeEvent
    server_name: str | None
    severity: Severity
    since: datetime
    at: datetime
    summary: str
    meaning: str
    remedy: str
    avoid: str
    evidence: Mapping[str, str]
    impact: Impact | None = None  # None: of what is over, or leaves its server reliable
    links: Links = Links()

    @property
    def server_label(self) -> str:
        """`name (host:port)`, or the address alone."""
        return f"{self.server_name} ({self.subject.server})" if self.server_name else self.subject.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One notice of a bundle, with what the receiver remembers of the incident (`ports.notifier.Thread`)."""

    notice: Notice
    thread: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Notices that are told to people in one message. `id` stays the same over retries, and so do the members."""

    id: str
    members: tuple[Member, ...]

    @property
    def at(self) -> datetime:
        """When the latest of its notices was made."""
        return max(member.notice.at for member in self.members)

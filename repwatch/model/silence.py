"""A silence: somebody's word that nobody is to be told of some incidents until a time. The incidents stay facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from repwatch.model.finding import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """`target` is `cluster[/server[/code]]`, with shell wildcards; a server goes by its name or its address."""

    target: str
    author: str
    reason: str
    since: datetime
    until: datetime
    id: int = 0  # the store gives it

    def covers(self, subject: Subject, server_name: str | None, now: datetime) -> bool:
        """Whether it holds now, for an incident about this subject."""
        return self.since <= now < self.until and matches((self.target,), subject, server_name)


def matches(patterns: Iterable[str], subject: Subject, server_name: str | None) -> bool:
    """Whether one of the patterns, `cluster[/server[/code]]`, names the subject."""
    texts = tuple(_names(subject, server_name))
    return any(fnmatchcase(text, pattern) for pattern in patterns for text in texts)


def _names(subject: Subject, server_name: str | None) -> Iterator[str]:
    servers = [name for name in (server_name, subject.server) if name]
    yield subject.cluster
    yield from (f"{subject.cluster}/{server}" for server in servers)
    yield from (f"{subject.cluster}/{server}/{subject.code}" for server in servers or [""])

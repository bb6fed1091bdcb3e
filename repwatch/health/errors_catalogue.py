"""What a replication error means: number and text to a class, its meaning, its remedy, and what would make it worse.

The number alone does not choose the remedy: 1236 covers binary logs that are gone (reseed) and two replicas with one identity
(where a reseed copies the fault). Entries are tried in order; the first whose number and text fit is taken.
MySQL 8 numbers anew what a server reports of itself (its `perror`): 13114 is 1236, 13115 is 1743, 13117 is 1593, 13119 is 1590,
13120 is 1597, 13121 is 1594, 13122 is 1595, 13123 is 1201, 13124 is 1872, 13125 is 1153, 13146 is 1677.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class ErrorClass(StrEnum):
    """What kind of trouble an error is; it decides the remedy."""

    DUPLICATE_KEY = "duplicate-key"
    ROW_NOT_FOUND = "row-not-found"
    SCHEMA = "schema"
    FOREIGN_KEY = "foreign-key"
    ERRANT = "errant"  # the replica has transactions that the source never had
    LOST_EVENTS = "lost-events"
    TRANSIENT = "transient"
    NETWORK = "network"
    LOGIN = "login"
    PURGED = "purged"
    DUPLICATE_IDENTITY = "duplicate-identity"
    SOURCE_LOG = "source-log"
    RELAY_LOG = "relay-log"
    SETTING = "setting"
    HOST = "host"  # disk, memory, connections
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Advice:
    """Texts for a person. `meaning` and `remedy` are templates over the fields of `commands.Commands`."""

    error_class: ErrorClass
    meaning: str
    remedy: str
    avoid: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue; an empty `pattern` fits every text."""

    errnos: frozenset[int]
    pattern: str
    advice: Advice


def entry(errnos: tuple[int, ...], pattern: str, advice: Advice) -> Entry:
    """A row of a table."""
    return Entry(frozenset(errnos), pattern, advice)


def advise(errno: int, text: str, entries: tuple[Entry, ...]) -> Advice:
    """The advice of the first entry that fits; UNKNOWN if none does."""
    fitting = (row.advice for row in entries if errno in row.errnos and re.search(row.pattern, text, re.IGNORECASE))
    return next(fitting, UNKNOWN)


UNKNOWN = Advice(
    ErrorClass.OTHER,
    "The server stopped on an error that repwatch has no entry for.",
    "Read the error text here and the lines around it in the replica's error log. Once the cause is gone: {start}",
    "Do not skip the transaction to get going again: replication would run, and the data would differ from then on.",
)

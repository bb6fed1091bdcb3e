"""The drift report as values: what `drift` found, in the shape in which its JSON is published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """Of a table, a replica or the whole report. What is not proved identical and not confirmed drifted is undecided."""

    IDENTICAL = "identical"
    DRIFTED = "drifted"
    UNDECIDED = "undecided"


class Proof(StrEnum):
    """How a verdict was proved; `docs/decisions/0002-drift-verdict.md` argues it."""

    SNAPSHOT = "snapshot"
    REREAD = "reread"
    LOCKED = "locked"
    STATIC = "static"


class Reason(StrEnum):
    """Why something is undecided."""

    HOT_ROWS = "hot-rows"  # rows changed faster than they could be settled within the time allowed
    REPLICA_BEHIND = "replica-behind"  # it did not reach the source's position in time
    REPLICATION_STOPPED = "replication-stopped"
    NOT_HELD = "not-held"  # in an exact check: its applier may not be held
    NOT_REPLICATING = "not-replicating"  # it has no channel from this source
    NO_GTID = "no-gtid"  # positions of the two servers cannot be compared
    UNREACHABLE = "unreachable"
    LOGIN_REFUSED = "login-refused"
    UNREADABLE = "unreadable"  # a privilege is missing, a statement failed or overstayed, or the self-test failed
    FILTERS_UNCLEAR = "filters-unclear"  # whether the table is replicated depends on more than its name
    SEVERAL_SOURCES = "several-sources"  # another source of the replica has the table too, and maybe the rows
    NOTHING_REPLICATED = "nothing-replicated"  # of a replica: none of the tables is
    NO_PRIMARY_KEY = "no-primary-key"  # and too many unlike rows at a place to be compared one by one
    SCHEMA_DIFFERS = "schema-differs"  # the data cannot be compared
    SCHEMA_CHANGED = "schema-changed"  # DDL in between
    UNSUPPORTED_TYPE = "unsupported-type"
    INEXACT_NUMBERS = "inexact-numbers"  # of JSON documents: one of the servers cannot keep all of their digits
    STOPPED = "stopped"  # the check was ended before it got there
    OTHER_FLAVOUR = "other-flavour"  # of definitions that the two flavours spell differently
    HIDDEN = "hidden"  # the account may not see all definitions


@dataclass(frozen=True, slots=True)
class Hex:
    """A value that is no text, as upper-case hexadecimal digits."""

    digits: str


Cell = str | Hex | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One column's value on both sides."""

    source: Cell
    replica: Cell


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A row on the source only."""

    key: Mapping[str, Cell]
    row: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class ExtraRow:
    """A row on the replica only."""

    key: Mapping[str, Cell]
    row: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row on both sides; `columns` are those that differ."""

    key: Mapping[str, Cell]
    columns: Mapping[str, Pair]


@dataclass(frozen=True, slots=True)
class CountedRow:
    """A row of a table without a key that one side has more often than the other."""

    row: Mapping[str, Cell]
    source_count: int
    replica_count: int


class Effect(StrEnum):
    """What a schema difference does."""

    DATA = "data"  # values differ or cannot be compared
    BEHAVIOUR = "behaviour"  # a trigger, a constraint, a default
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One difference of definitions, as each side has it."""

    what: str  # column, index, engine, …
    name: str
    source: str | None
    replica: str | None
    effect: Effect


@dataclass(frozen=True, slots=True)
class TableMissing:
    """The table is on the source only."""


@dataclass(frozen=True, slots=True)
class TableExtra:
    """The table is on the replica only."""


Difference = MissingRow | ExtraRow | ChangedRow | CountedRow | SchemaDifference | TableMissing | TableExtra


class Cause(StrEnum):
    """What the listed differences of a table look like. A guess, never a fact."""

    TIME_ZONE = "time-zone"  # times are apart by the same whole (or half) hours
    LETTER_CASE = "letter-case"
    TRAILING_BLANKS = "trailing-blanks"
    CHARSET = "charset"  # text went through a charset that it was not in: '?' or UTF-8 read as latin1
    NULL_OR_DEFAULT = "null-or-default"  # NULL on one side, the default or an empty value on the other
    ONE_VALUE = "one-value"  # one and the same value in all changed rows of one side: one statement
    ROUNDING = "rounding"
    CONSTANT_OFFSET = "constant-offset"
    SWAPPED_COLUMNS = "swapped-columns"
    SWAPPED_ROWS = "swapped-rows"
    MISSING_TAIL = "missing-tail"  # the replica has nothing at or behind the first missing row
    EVERY_ROW = "every-row"  # a column differs in each row of the table


class Side(StrEnum):
    """One of the two servers that are compared."""

    SOURCE = "source"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A cause that `rows` of the `listed` rows of its kind (missing, or changed) agree with.

    `value` is the one value, the shift (replica less source) or where the tail begins; `side` where the value or NULL is.
    """

    cause: Cause
    columns: tuple[str, ...]
    rows: int
    listed: int
    side: Side | None = None
    value: Cell = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """One table on one replica. `differences` may be cut; `difference_count` never is.

    `since`: when the oldest rows that count were read, where that was before this run, which has gone on from an earlier one.
    """

    schema: str
    table: str
    verdict: Verdict
    reason: Reason | None
    proof: Proof | None
    rows: int
    rows_proved: int
    difference_count: int
    differences: tuple[Difference, ...] = ()
    causes: tuple[Guess, ...] = ()
    since: datetime | None = None
    last_proved: datetime | None = None  # by an earlier check, where one is known
    surplus: int = 0  # of the differences: rows that only the replica has, or has more of
    there: str | None = None  # `schema.table` on the replica, where a rewritten database gives it another name


@dataclass(frozen=True, slots=True, kw_only=True)
class Errant:
    """Transactions in a replica's binary log that the source does not have: somebody wrote to the replica itself.

    `tables`: what some of them touched, as far as the log was read. A write with sql_log_bin = 0 leaves no trace here.
    """

    gtids: str  # MySQL: the set; MariaDB: the last one of each domain
    tables: tuple[str, ...] = ()
    log: str = ""  # the binary log that has the last of them, if it was found


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompared:
    """Definitions of which nothing is known: neither equal nor different."""

    what: str  # as of a difference: view, trigger, …
    server: str  # where they could not be read
    reason: Reason
    grant: str | None = None  # what would show them


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaReport:
    """One replica. `as_of` is the source's position (GTID text) up to which the verdict holds."""

    server: str
    name: str | None
    channel: str
    server_uuid: str
    verdict: Verdict
    as_of: str
    reason: Reason | None
    tables: tuple[TableReport, ...] = ()
    not_replicated: tuple[str, ...] = ()
    objects: tuple[SchemaDifference, ...] = ()
    errant: Errant | None = None
    not_compared: tuple[NotCompared, ...] = ()
    source: str = ""  # the server that it was compared with
    source_name: str | None = None
    channels: int = 1  # of it, from different sources; a table that came by another one is not extra
    unclaimed: tuple[TableReport, ...] = ()  # tables that its other sources may have, and this one has not
    unclaimed_objects: tuple[SchemaDifference, ...] = ()  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """One check of a source against its replicas; of several checks, `source` is that of the first."""

    verdict: Verdict
    started: datetime
    finished: datetime
    source: str
    source_name: str | None
    replicas: tuple[ReplicaReport, ...]
    left_out: tuple[str, ...] = ()  # tables of known tools, left out by name
    stands_for: str | None = None  # the source's label where the replicas were compared with one of them instead
    where: str | None = None  # only the rows that this condition chooses were compared
    strict: bool = False  # differences of definitions that touch no data count too

"""Tables and columns as `information_schema` describes them: what a check needs to know to read a row exactly."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `data_type` is the bare type in lower case (`varchar`), `column_type` the full one (`varchar(20)`)."""

    name: str
    data_type: str
    column_type: str
    nullable: bool
    charset: str | None = None  # None for numbers, times and binary strings
    collation: str | None = None
    generated: str = ""  # the generation expression, "" for an ordinary column
    stored: bool = True  # False: a virtual generated column
    default: str | None = None  # as SQL: 'text' in quotes, an expression without; None where it is NULL or there is none
    extra: str = ""  # in lower case
    comment: str = ""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """Schema and table, as the server spells them."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Index:
    """One index beside the primary key. A part that is an expression has the name ""."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    prefixed: bool = False  # of some column only the beginning is in it
    kind: str = "BTREE"
    hidden: bool = False  # invisible (MySQL) or ignored (MariaDB): statements may not name it


class PartKind(StrEnum):
    """What a table has beside its columns; the value is the `what` of a difference."""

    INDEX = "index"
    CHECK = "check"
    FOREIGN_KEY = "foreign-key"
    PARTITIONING = "partitioning"
    VERSIONING = "system-versioning"
    COLLATION = "default-collation"
    ROW_FORMAT = "row-format"
    OPTIONS = "options"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Part:
    """One such thing, as a text that is equal where the definitions are. None: this account may not see it."""

    kind: PartKind
    name: str
    definition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One base table. `primary_key` names its columns in key order and is empty where there is none."""

    name: TableName
    engine: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()  # all others, by name: to choose what rows are read by. What differs is told by `parts`.
    estimated_rows: int = 0  # the optimizer's guess; for progress and ETA only
    estimated_row_bytes: int = 0  # likewise; for the size of the first pieces
    parts: tuple[Part, ...] | None = None  # None: not read

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class ObjectKind(StrEnum):
    """What a server has beside tables; the value is the `what` of a difference."""

    SCHEMA = "database"
    VIEW = "view"
    TRIGGER = "trigger"
    PROCEDURE = "procedure"
    FUNCTION = "function"
    PACKAGE = "package"
    PACKAGE_BODY = "package-body"
    EVENT = "event"
    SEQUENCE = "sequence"
    SEQUENCE_VALUE = "sequence-value"
    ACCOUNT = "account"
    GRANT = "grant"


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """What an object is called. Its schema is "" for accounts and their grants, its name "" for a schema itself."""

    kind: ObjectKind
    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in (self.schema, self.name) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """One object: its body, and what its definition says beside it (definer, SQL mode, schedule, …) by clause."""

    name: ObjectName
    body: str | None  # None: this account may not see it
    clauses: tuple[tuple[str, str], ...] = ()
    owner: str = ""  # the table of a trigger, in the same schema; the account of a grant

    @property
    def reach_name(self) -> TableName:
        """The name that replication filters are asked about."""
        if not self.name.schema:
            return TableName("mysql", "user")
        return TableName(self.name.schema, self.owner or self.name.name)

"""Tables and columns as `information_schema` describes them: what a check needs to know to read a row exactly."""

from dataclasses import dataclass


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
    default: str | None = None
    extra: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One base table. `primary_key` names its columns in key order and is empty where there is none."""

    name: TableName
    engine: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()  # all others, by name
    estimated_rows: int = 0  # the optimizer's guess; for progress and ETA only
    estimated_row_bytes: int = 0  # likewise; for the size of the first pieces

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

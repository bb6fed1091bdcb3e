"""What a repair is about: which rows of which tables of which servers. Its hash is what a person agrees to.

The hash leaves out positions, counts, times and values: a running writer does not change it. A scope that was agreed to covers
a later one that has no row, no definition and no server that it does not have itself.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from repwatch.drift.report import Cell, ChangedRow, Difference, ExtraRow, Hex, MissingRow, ReplicaReport
from repwatch.model.schema import Column, Table, TableName
from repwatch.sql.encoding import BINARY, TEXTUAL, Kind, kind_of
from repwatch.sql.keyrange import Key

METHOD = "row-repair"


@dataclass(frozen=True, slots=True, order=True)
class ScopeRow:
    """One row by its key, with its kind of difference: missing, extra or changed."""

    table: TableName
    key: Key
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Servers by identity (server_uuid, or server_id on MariaDB) and address, tables by fingerprint, rows by key."""

    source: str
    source_key: str
    target: str
    target_key: str
    channel: str
    fingerprints: Mapping[TableName, str]
    rows: tuple[ScopeRow, ...]
    donor: str = ""  # the replica whose rows are taken in the place of the source's; "": the source's are
    donor_key: str = ""

    @property
    def plan_hash(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def covers(self, later: "Scope") -> bool:
        """True if who agreed to this scope agreed to the later one."""
        return (
            self.servers == later.servers
            and later.fingerprints.items() <= self.fingerprints.items()
            and {(row.table, row.key) for row in later.rows} <= {(row.table, row.key) for row in self.rows}
        )

    @property
    def ends(self) -> tuple[str, ...]:
        """Both servers and the channel."""
        return (self.source, self.source_key, self.target, self.target_key, self.channel)

    @property
    def servers(self) -> tuple[str, ...]:
        """The ends, and the donor if there is one."""
        return (*self.ends, self.donor, self.donor_key) if self.donor else self.ends

    def to_json(self) -> str:
        """Canonical text."""
        tables = {
            str(number): [name.schema, name.table, mark] for number, (name, mark) in enumerate(sorted(self.fingerprints.items()))
        }
        rows = [[row.table.schema, row.table.table, list(row.key), row.kind] for row in sorted(self.rows)]
        return json.dumps({"method": METHOD, "servers": self.servers, "tables": tables, "rows": rows}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read `to_json()` back. Raises ValueError, KeyError or TypeError for what is none."""
        data = json.loads(text)
        source, source_key, target, target_key, channel, *more = data["servers"]
        donor, donor_key = more or ("", "")
        return cls(
            source=source,
            source_key=source_key,
            target=target,
            target_key=target_key,
            channel=channel,
            fingerprints={TableName(schema, table): mark for schema, table, mark in data["tables"].values()},
            rows=tuple(ScopeRow(TableName(schema, table), tuple(key), kind) for schema, table, key, kind in data["rows"]),
            donor=donor,
            donor_key=donor_key,
        )


def fingerprint(table: Table) -> str:
    """Of what a row's images depend on: the columns with their types and character sets, and the key."""
    columns = [(column.name, column.column_type, column.charset, column.nullable, column.generated) for column in table.columns]
    return hashlib.sha256(json.dumps([columns, table.primary_key]).encode()).hexdigest()[:16]


def rows_of_report(report: ReplicaReport, tables: Mapping[TableName, Table]) -> tuple[ScopeRow, ...]:
    """The rows that a drift report names, of the tables given. Raises ValueError for a key that cannot be looked up."""
    return tuple(
        ScopeRow(name, key_of(tables[name], difference), _KINDS[type(difference)])
        for table in report.tables
        for name in (TableName(table.schema, table.table),)
        if name in tables
        for difference in table.differences
        if isinstance(difference, MissingRow | ExtraRow | ChangedRow)
    )


_KINDS: dict[type[Difference], str] = {MissingRow: "missing", ExtraRow: "extra", ChangedRow: "changed"}


def key_of(table: Table, difference: MissingRow | ExtraRow | ChangedRow) -> Key:
    """The key of a reported row as statements select it. Raises ValueError."""
    return tuple(_part(table.column(name), difference.key[name]) for name in table.primary_key)


def _part(column: Column, cell: Cell) -> str:
    kind = kind_of(column)
    if kind in TEXTUAL and isinstance(cell, str):
        return cell.encode("utf-8").hex().upper()
    if kind in BINARY and isinstance(cell, Hex):
        return cell.digits
    if kind is Kind.CHOICE and isinstance(cell, str):
        return str(_number_of(column, cell))
    if kind is None or kind in (*TEXTUAL, *BINARY, Kind.CHOICE) or not isinstance(cell, str):
        raise ValueError(f"a key of column {column.name} cannot be looked up: {cell}")
    return cell


def _number_of(column: Column, label: str) -> int:
    """ENUM: the member's number; SET: the sum of its members' bits; the empty error value is 0."""
    members = [member.replace("''", "'") for member in re.findall(r"'((?:[^']|'')*)'", column.column_type)]
    if column.data_type == "set":
        return sum(1 << members.index(name) for name in label.split(",") if name)
    return members.index(label) + 1 if label in members else 0

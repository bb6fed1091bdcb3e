"""What only the replica has, and under which number each of it is put aside until the replica is proved."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.schema import TableName
from repwatch.sql.definitions import Definition, Kind

MOVED: Final = (Kind.TABLE, Kind.SEQUENCE)  # these are kept as they are, all else as the text that makes it


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in quarantine, as it was defined in its place."""

    number: int
    item: Definition

    def is_of(self, item: Definition) -> bool:
        """True of the same object. A table's text changes when one that it refers to is moved."""
        alike = item.kind in MOVED or item.statement == self.item.statement
        return alike and _key(item) == _key(self.item)


def only_theirs(
    ours: Sequence[Definition], theirs: Sequence[Definition], triggers: Mapping[TableName, TableName]
) -> list[Definition]:
    """Of `theirs` what is not among `ours`, in the order in which it can be taken away.

    `triggers` has the table of each. All that are on such a table go with it: with a trigger it cannot be moved (error 1435).
    """
    have = {_key(item) for item in ours}
    gone = {TableName(item.schema, item.name) for item in theirs if item.kind is Kind.TABLE and _key(item) not in have}
    found = [
        item
        for item in theirs
        if _key(item) not in have or (item.kind is Kind.TRIGGER and triggers.get(TableName(item.schema, item.name)) in gone)
    ]
    return sorted(found, key=lambda item: list(Kind).index(item.kind), reverse=True)


def numbered(items: Sequence[Definition], entries: Sequence[Entry], kept: Collection[int]) -> list[Entry]:
    """These items as entries: that of a run that was interrupted before it took the object away, else a new one.

    `kept`: the numbers of tables and sequences that have been moved.
    """
    last = max((entry.number for entry in entries), default=0)
    found = []
    for item in items:
        left = next((entry for entry in entries if entry.is_of(item) and entry.number not in kept), None)
        last += left is None
        found.append(left or Entry(last, item))
    return found


def _key(item: Definition) -> tuple[Kind, str, str]:
    return item.kind, item.schema, item.name

"""Which rows of a table to delete, insert and update so that the replica's become the source's.

Invariants, held by properties in tests/unit/drift/test_repair.py: run in order against a table that enforces its unique keys at
each statement, the changes turn `actual` into `wanted` for every key in either and touch no other row; the changes back
do the reverse; no statement of an event that has a trigger is used.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial

from repwatch.model.schema import TableName
from repwatch.sql.keyrange import Key
from repwatch.sql.repair import Image

Rows = Mapping[Key, Image]


class Event(StrEnum):
    """What is done to a row, in the words that triggers use."""

    DELETE = "DELETE"
    UPDATE = "UPDATE"
    INSERT = "INSERT"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRules:
    """What of a replica's table decides how its rows are changed.

    `unique` are the unique indexes beside the primary key, as positions in an Image; None is one over an expression or a
    generated column, which any change may touch. `triggers` are the events that fire one.
    `numbers` are the places in a Key that hold one: 9 comes before 10 there.
    """

    name: TableName
    unique: tuple[frozenset[int] | None, ...] = ()
    triggers: frozenset[Event] = field(default=frozenset())
    numbers: frozenset[int] = field(default=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One statement on one row. `before` is None for an INSERT, `after` for a DELETE."""

    event: Event
    key: Key
    before: Image | None
    after: Image | None


class TriggersInTheWay(Exception):
    """No sequence of statements gets by the triggers of the table: their effects came with the source's events already."""

    def __init__(self, table: TableName, events: Iterable[Event]) -> None:
        self.table = table
        self.events = tuple(sorted(set(events)))
        super().__init__(f"{table} has triggers for {', '.join(self.events)}, which row repair would fire")


def _order(rules: TableRules, key: Key) -> tuple[tuple[Decimal, str], ...]:
    return tuple((Decimal(part if place in rules.numbers else 0), part) for place, part in enumerate(key))


def plan_rows(rules: TableRules, wanted: Rows, actual: Rows) -> tuple[RowChange, ...]:
    """The changes, in the order in which they must run: deletes, updates, inserts. Raises TriggersInTheWay.

    Deletes free the unique values that updates and inserts take. Rows that may exchange unique values among themselves
    are deleted and inserted again: no order of updates gets past a swap.
    """
    order = partial(_order, rules)
    changed = sorted((key for key in wanted.keys() & actual.keys() if wanted[key] != actual[key]), key=order)
    rewritten = set(changed) if Event.UPDATE in rules.triggers else _exchanging(rules, wanted, actual, changed)
    gone = sorted((actual.keys() - wanted.keys()) | rewritten, key=order)
    new = sorted((wanted.keys() - actual.keys()) | rewritten, key=order)
    changes = (
        *(RowChange(event=Event.DELETE, key=key, before=actual[key], after=None) for key in gone),
        *(
            RowChange(event=Event.UPDATE, key=key, before=actual[key], after=wanted[key])
            for key in changed
            if key not in rewritten
        ),
        *(RowChange(event=Event.INSERT, key=key, before=None, after=wanted[key]) for key in new),
    )
    # What the way back needs counts as well: a repair that could not be undone is not begun.
    needed = {change.event for change in changes} | {_REVERSE[change.event] for change in changes}
    if needed & rules.triggers:
        raise TriggersInTheWay(rules.name, needed & rules.triggers)
    return changes


_REVERSE = {Event.DELETE: Event.INSERT, Event.INSERT: Event.DELETE, Event.UPDATE: Event.UPDATE}


def _exchanging(rules: TableRules, wanted: Rows, actual: Rows, changed: list[Key]) -> set[Key]:
    """Rows of which two or more change the value of one unique index; of a single one, deletes have freed the value."""
    found: set[Key] = set()
    for index in rules.unique:
        movers = [key for key in changed if index is None or any(wanted[key][place] != actual[key][place] for place in index)]
        if len(movers) > 1:
            found.update(movers)
    return found


def images(changes: Iterable[RowChange]) -> Iterator[tuple[Key, Image | None, Image | None]]:
    """Each changed row once: its key, what it was, what it is then."""
    before: dict[Key, Image | None] = {}
    after: dict[Key, Image | None] = {}
    for change in changes:
        before.setdefault(change.key, change.before)
        after[change.key] = change.after
    for key, was in before.items():
        yield key, was, after[key]

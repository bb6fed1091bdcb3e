"""Random tables that hang together: unique values, foreign keys between them, generated columns, triggers."""

import random
from dataclasses import dataclass, replace

from tests.server.random_kinds import KINDS
from tests.server.random_tables import RandomTable, Row, Value, random_table

_INTEGER = next(kind for kind in KINDS if kind.sql == "INT")
_GENERATED = ("{u} * 2", "{u} IS NULL", "CONCAT('<', {u}, '>')")
AUDIT = "audit"


@dataclass(frozen=True)
class RandomSchema:
    """`creation` makes it on the source, `drift` gives the replica its rows; they are to be run in order, in the schema."""

    tables: tuple[RandomTable, ...]
    creation: tuple[str, ...]
    drift: tuple[str, ...]


def random_schema(chance: random.Random, count: int) -> RandomSchema:
    """`count` tables, each with a unique column that others refer to; about three quarters of them are wrong on the replica."""
    tables: list[RandomTable] = []
    creation = [f"CREATE TABLE {AUDIT} (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(20))"]
    late: list[str] = []
    for number in range(count):
        table = _with_links(chance, random_table(chance, f"t{number}"), tables)
        creation += table.creation
        late += _alterations(chance, table, tables)
        tables.append(table)
    drift = [statement for table in tables for statement in table.drift]
    return RandomSchema(tuple(tables), (*creation, *late), (*drift, f"DELETE FROM {AUDIT}"))


def _with_links(chance: random.Random, table: RandomTable, others: list[RandomTable]) -> RandomTable:
    """Two more columns: a unique number or NULL, and a number of another table's or NULL; on the replica both are mixed up."""
    size = len(table.keys)
    numbers: list[Value] = [str(number) for number in chance.sample(range(10_000), len(table.source))]
    unique = dict(zip((row[:size] for row in table.source), _with_nulls(chance, numbers), strict=True))
    theirs = [row[-2] for row in chance.choice(others).source if row[-2] is not None] if others else []
    links = {row[:size]: chance.choice([None, *theirs[:3]]) for row in table.source}
    source = [(*row, unique[row[:size]], links[row[:size]]) for row in table.source]
    taken = [unique.get(row[:size], str(20_000 + place)) for place, row in enumerate(table.replica)]
    if chance.random() < 0.6:
        chance.shuffle(taken)  # swaps and longer cycles
    wild = [None, "7", "99999"] if chance.random() < 0.4 else []
    replica: list[Row] = [
        (*row, number, chance.choice([links.get(row[:size]), *wild])) for row, number in zip(table.replica, taken, strict=True)
    ]
    return replace(
        table,
        kinds=(*table.kinds, _INTEGER, _INTEGER),
        nullable=(*table.nullable, True, True),
        source=source,
        replica=replica,
        alteration="",
    )


def _with_nulls(chance: random.Random, numbers: list[Value]) -> list[Value]:
    return [None if chance.random() < 0.1 else number for number in numbers]


def _alterations(chance: random.Random, table: RandomTable, others: list[RandomTable]) -> list[str]:
    unique, link = (f"c{len(table.kinds) - back}" for back in (2, 1))
    parts = [f"ADD UNIQUE KEY (`{unique}`)"]
    for number, expression in enumerate(chance.sample(_GENERATED, chance.choice((0, 1, 2)))):
        key = " UNIQUE" if "IS NULL" not in expression and chance.random() < 0.5 else ""
        kind = "VARCHAR(20)" if "CONCAT" in expression else "BIGINT"
        stored = chance.choice(("STORED", "VIRTUAL"))
        parts.append(f"ADD g{number} {kind} GENERATED ALWAYS AS ({expression.format(u=unique)}) {stored}{key}")
    found = [f"ALTER TABLE {table.name} {', '.join(parts)}"]
    values = {row[-1] for row in table.source} - {None}
    parents = [other for other in others if values <= {row[-2] for row in other.source}]
    if parents:
        parent = chance.choice(parents)
        action = chance.choice(("CASCADE", "SET NULL", "RESTRICT"))
        reference = f"REFERENCES {parent.name} (c{len(parent.kinds) - 2}) ON DELETE {action}"
        found.append(f"ALTER TABLE {table.name} ADD FOREIGN KEY ({link}) {reference}")
    if chance.random() < 0.3:  # a trigger for inserts or deletes may make a repair impossible, which is another test's
        insert = f"INSERT INTO {AUDIT} (t) VALUES ('{table.name}')"
        found.append(f"CREATE TRIGGER w{table.name} AFTER UPDATE ON {table.name} FOR EACH ROW {insert}")
    return found

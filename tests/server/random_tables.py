"""Random tables, random drift, and what a check must find, worked out from what was done and not from what a server says."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.server.drifting import Found
from tests.server.random_kinds import KEYS, KINDS, PADDED, SPATIAL, Kind

Value = str | None
Row = tuple[Value, ...]
MOST_ROWS: Final = 40
# What may be done to a whole table without changing a row.
HARMLESS: Final = (
    "ENGINE = InnoDB ROW_FORMAT = COMPACT", "ADD own INT DEFAULT 1", "COMMENT = 'x'", "ENGINE = MyISAM", "ADD INDEX extra (k0)",
    "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)  # fmt: skip
# Zero dates, but nothing that does not fit.
_LENIENT: Final = "SET SESSION sql_mode = 'STRICT_ALL_TABLES'"


@dataclass
class RandomTable:
    """A table with its rows on both sides.

    Without keys it may have a unique first column that takes NULLs, which is no key. `stored` and `virtual` are the columns
    of which a generated one tells whether they are NULL; of these two, only the stored ones are compared.
    """

    name: str
    keys: tuple[Kind, ...]
    kinds: tuple[Kind, ...]
    nullable: tuple[bool, ...]
    source: list[Row]
    replica: list[Row] = field(default_factory=list)
    alteration: str = ""
    unique: str = "PRIMARY KEY"  # or UNIQUE KEY, or nothing
    descending: frozenset[int] = frozenset()
    invisible: frozenset[int] = frozenset()
    stored: tuple[int, ...] = ()
    virtual: tuple[int, ...] = ()
    partitions: str = ""

    @property
    def fixed(self) -> int:
        """How many of the first columns tell the rows apart; drift leaves them alone."""
        return len(self.keys) or bool(self.unique)

    @property
    def creation(self) -> list[str]:
        """Statements that make it on the source."""
        columns = [f"k{number} {kind.sql.removesuffix(' NULL')} NOT NULL" for number, kind in enumerate(self.keys)]
        columns += [self._column(number, kind) for number, kind in enumerate(self.kinds)]
        columns += [f"g{number} TINYINT AS (c{number} IS NULL) STORED" for number in self.stored]
        columns += [f"h{number} TINYINT AS (c{number} IS NULL) VIRTUAL" for number in self.virtual]
        if self.unique:
            names = [f"k{n}{' DESC' if n in self.descending else ''}" for n in range(len(self.keys))] or ["c0"]
            columns.append(f"{self.unique} ({', '.join(names)})")
        return [_LENIENT, f"CREATE TABLE {self.name} ({', '.join(columns)}) {self.partitions}", *self._insert(self.source)]

    def _column(self, number: int, kind: Kind) -> str:
        null = "NULL" if self.nullable[number] else "NOT NULL"
        return f"c{number} {kind.sql.removesuffix(' NULL')} {null}{' INVISIBLE' if number in self.invisible else ''}"

    @property
    def drift(self) -> list[str]:
        """Statements that make the replica's rows what they are to be."""
        altered = [f"ALTER TABLE {self.name} {self.alteration}"] if self.alteration else []
        if self.source == self.replica:
            return [_LENIENT, *altered]
        return [_LENIENT, f"DELETE FROM {self.name}", *self._insert(self.replica), *altered]

    @property
    def expected(self) -> set[Found]:
        """What a check must find."""
        return self._expected_by_key() if self.keys else self._expected_counts()

    def _expected_by_key(self) -> set[Found]:
        size = len(self.keys)
        here, there = ({row[:size]: row[size:] for row in rows} for rows in (self.source, self.replica))
        found = {Found("missing", key) for key in here.keys() - there.keys()}
        found |= {Found("extra", key) for key in there.keys() - here.keys()}
        for key in here.keys() & there.keys():
            if here[key] != there[key]:
                pairs = list(zip(here[key], there[key], strict=True))
                columns = {f"c{number}" for number, (ours, theirs) in enumerate(pairs) if ours != theirs}
                columns |= {f"g{number}" for number in self.stored if pairs[number].count(None) == 1}
                found.add(Found("changed", key, frozenset(columns)))
        return found

    def _expected_counts(self) -> set[Found]:
        here, there = Counter(self.source), Counter(self.replica)
        found = set()
        for row in here.keys() | there.keys():
            shown = (*row, *(str(int(row[number] is None)) for number in self.stored))
            if here[row] != there[row]:
                kind = "missing" if here[row] > there[row] else "extra"
                found.add(Found(kind, shown, frozenset({f"{here[row]}:{there[row]}"})))
        return found

    def _insert(self, rows: Sequence[Row]) -> list[str]:
        kinds = (*self.keys, *self.kinds)
        names = [f"k{number}" for number in range(len(self.keys))] + [f"c{number}" for number in range(len(self.kinds))]
        values = (
            "(" + ", ".join("NULL" if v is None else kind.literal(v) for kind, v in zip(kinds, row, strict=True)) + ")"
            for row in rows
        )
        return [f"INSERT INTO {self.name} ({', '.join(names)}) VALUES {', '.join(values)}"] if rows else []


def once_in(chance: random.Random, times: int) -> bool:
    """True so often; `random()` would be mostly 0 where hypothesis gives the chance."""
    return chance.randrange(times) == 1


def random_table(chance: random.Random, name: str) -> RandomTable:
    """A table with a primary key, and one of several fates on the replica; a quarter stays equal."""
    keys = tuple(chance.choice(KEYS) for _ in range(chance.choice((1, 1, 1, 2, 3))))
    kinds = tuple(chance.choice(KINDS) for _ in range(chance.randint(1, 6)))
    table = RandomTable(name, keys, kinds, tuple(once_in(chance, 2) for _ in kinds), [])
    _fill(chance, table)
    table.alteration = chance.choice(HARMLESS) if once_in(chance, 3) else ""
    return table


def odd_table(chance: random.Random, name: str) -> RandomTable:
    """As `random_table`, with or without a key, and with all that a table may have beside columns and a primary key."""
    table = _outline(chance, name)
    columns = range(len(table.kinds))
    nullable = [number for number in columns if table.nullable[number]]
    if table.keys:
        table.descending = frozenset(n for n in range(len(table.keys)) if once_in(chance, 5))
    # The server wants one column that shows.
    table.invisible = frozenset(n for n in nullable[0 if table.keys else 1 :] if once_in(chance, 5))
    table.virtual = tuple(n for n in nullable if once_in(chance, 10))
    table.stored = tuple(n for n in nullable if once_in(chance, 10) and table.kinds[n].sql not in PADDED)
    _fill(chance, table)
    if once_in(chance, 5) and not any(kind.sql in SPATIAL for kind in table.kinds):  # which partitions do not take
        table.partitions = f"PARTITION BY KEY ({'k0' if table.keys else 'c0'}) PARTITIONS {chance.randint(1, 4)}"
    of_innodb = table.partitions or table.descending
    fitting = [a for a in HARMLESS if (table.keys or "k0" not in a) and not (of_innodb and "MyISAM" in a)]
    table.alteration = chance.choice(fitting) if once_in(chance, 3) else ""
    return table


def _outline(chance: random.Random, name: str) -> RandomTable:
    """Keys and columns. Without a key a row is told of by its values, so that they have to be such as a report shows."""
    if not once_in(chance, 4):
        keys = tuple(chance.choice(KEYS) for _ in range(chance.choice((1, 1, 1, 2, 3, 5))))
        kinds = tuple(chance.choice(KINDS) for _ in range(chance.randint(0, 6)))
    else:
        keys = ()
        kinds = (chance.choice(KEYS), *(chance.choice([k for k in KINDS if k.shown]) for _ in range(chance.randint(0, 4))))
    unique = chance.choice(("PRIMARY KEY", "PRIMARY KEY", "UNIQUE KEY")) if keys else chance.choice(("UNIQUE KEY", "", ""))
    nullable = tuple(once_in(chance, 2) for _ in kinds)
    return RandomTable(name, keys, kinds, nullable if keys else (True, *nullable[1:]), [], unique=unique)


def _fill(chance: random.Random, table: RandomTable) -> None:
    """Give it rows, and let happen on the replica what happens."""
    pools = [_pool(chance, kind, null) for kind, null in zip(table.kinds, table.nullable, strict=True)]
    count = chance.choice((chance.randint(3, MOST_ROWS), 0, chance.randint(3, MOST_ROWS), 1, chance.randint(3, MOST_ROWS), 2))
    table.source = [_row(chance, table, pools, number) for number in range(count)]
    table.replica = list(table.source)
    fates = FATES if table.keys else (*FATES, _copy_rows, _copy_rows)
    for fate in chance.sample(fates, chance.choice((1, 1, 0, 2))):
        fate(chance, table, pools)
    chance.shuffle(table.replica)
    if table.replica and sorted(table.replica, key=str) == sorted(table.source, key=str) and once_in(chance, 2):
        table.replica = list(table.source)


Pools = Sequence[Sequence[Value]]  # of each column the values that it takes


def _pool(chance: random.Random, kind: Kind, nullable: bool) -> list[Value]:
    """Few values in many rows are what badly made sums do not see; a fifth is NULL."""
    values: list[Value] = [kind.make(chance) for _ in range(chance.choice((1, 2, 4, 12)))]
    return [*values, *([None] * (len(values) // 4 or 1))] if nullable else values


def _row(chance: random.Random, table: RandomTable, pools: Pools, number: int) -> Row:
    values = tuple(chance.choice(pool) for pool in pools)
    if table.keys:
        return (*_key(chance, table, number), *values)
    if table.unique:
        made = table.kinds[0].key
        return (chance.choice((None, made(chance, number))) if made else None, *values[1:])
    return values


def _key(chance: random.Random, table: RandomTable, number: int) -> Row:
    """The last part is one of a kind; those before may be the same in many rows."""
    common = chance.choice((1, 3, MOST_ROWS))
    last = len(table.keys) - 1
    return tuple(kind.key(chance, number if n == last else number % common) for n, kind in enumerate(table.keys) if kind.key)


def _some(chance: random.Random, table: RandomTable) -> list[int]:
    count = len(table.replica)
    return chance.sample(range(count), chance.randint(1, count)) if count else []


def _lose_update(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    """The same values in several rows: in one column, or in all."""
    columns = range(table.fixed - len(table.keys), len(table.kinds))
    if columns:
        columns = chance.choice((columns, range(chance.choice(columns), len(table.kinds))))
    values = {len(table.keys) + n: chance.choice([*pools[n], table.kinds[n].make(chance)]) for n in columns}
    for at in _some(chance, table):
        table.replica[at] = tuple(values.get(n, value) for n, value in enumerate(table.replica[at]))


def _lose_rows(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    gone = set(_some(chance, table))
    table.replica = [row for at, row in enumerate(table.replica) if at not in gone]


def _lose_all(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    table.replica = []


def _add_rows(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    table.replica += [_row(chance, table, pools, MOST_ROWS + number) for number in range(chance.randint(1, 9))]


def _copy_rows(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    """Of tables without a key: more rows of those that there are."""
    for at in _some(chance, table):
        free = table.replica[at][0] is None or not table.unique
        table.replica += [table.replica[at]] * (chance.randint(1, 3) * free)


def _swap(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    """Two rows exchange what is behind a column."""
    if len(table.replica) > 1:
        one, other = chance.sample(range(len(table.replica)), 2)
        left, right = table.replica[one], table.replica[other]
        cut = chance.randint(table.fixed, len(left))
        table.replica[one], table.replica[other] = (*left[:cut], *right[cut:]), (*right[:cut], *left[cut:])


def _exchange(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    """Many rows exchange the values of one column, so that each value is there as often as before."""
    if table.replica and table.fixed < len(table.replica[0]):
        column = chance.choice(range(table.fixed, len(table.replica[0])))
        values = [row[column] for row in table.replica]
        moved = [*values[1:], values[0]]
        table.replica = [(*row[:column], value, *row[column + 1 :]) for row, value in zip(table.replica, moved, strict=True)]


def _scramble(chance: random.Random, table: RandomTable, pools: Pools) -> None:
    """Rows get values of their own."""
    for at in _some(chance, table):
        table.replica[at] = (*table.replica[at][: table.fixed], *_row(chance, table, pools, 0)[table.fixed :])


FATES: Final = (_lose_update, _lose_rows, _lose_all, _add_rows, _swap, _exchange, _scramble)

"""Where tables of the source lie on a replica that puts whole databases under another name (REPLICATE_REWRITE_DB).

Both flavours rewrite a database before they look at any replicate-* filter (MySQL manual, "--replicate-rewrite-db": the
translation comes before the rules are tested; MariaDB manual, "replicate_rewrite_db"), the first pair that fits counts.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from repwatch.model.schema import TableName
from repwatch.sql.filters import ChannelFilters

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]  # database on the source, database on the replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """`there`: the name on the replica of each table that has another name there than on the source.

    `unclear`: tables of the source of which the place is another's too, or is not known; names are those of the source.
    """

    there: Mapping[TableName, TableName] = field(default_factory=dict)
    unclear: frozenset[TableName] = frozenset()

    def of(self, name: TableName) -> TableName:
        """The name on the replica."""
        return self.there.get(name, name)


def rewritten(name: TableName, pairs: Pairs, *, fold: bool) -> TableName:
    """The table's name after the rewrite."""
    for before, after in pairs:
        if _same(before, name.schema, fold=fold):
            return TableName(after, name.table)
    return name


def touched(schema: str, channels: Collection[ChannelFilters], *, fold: bool) -> bool:
    """True if a rewrite takes from, or writes to, a database of this name; or if it cannot be told."""
    return any(
        channel.rewrites is None or any(_same(name, schema, fold=fold) for pair in channel.rewrites for name in pair)
        for channel in channels
    )


def places(ours: Collection[TableName], theirs: Collection[TableName], pairs: Pairs, *, fold: bool) -> Places:
    """Where the tables of the source (`ours`) lie among those of the replica (`theirs`).

    With `fold` the replica takes names for one of which only the letters' case differs; tables that become one there are unclear.
    What is on the replica alone in a database that is written to is named as its origin would be.
    """
    if not pairs and not fold:
        return Places()
    spelled = {_key(name, fold=fold): name for name in theirs}  # a pair may be written in other letters than the database
    targets = {}
    for name in ours:
        target = rewritten(name, pairs, fold=fold)
        targets[name] = spelled.get(_key(target, fold=fold), target)
    crowded = {key for key, count in Counter(_key(target, fold=fold) for target in targets.values()).items() if count > 1}
    there = {name: target for name, target in targets.items() if target != name}
    for name in theirs:
        origin = next((TableName(before, name.table) for before, after in pairs if _same(after, name.schema, fold=fold)), name)
        if name not in targets.values() and origin not in targets and rewritten(origin, pairs, fold=fold) != origin:
            there[origin] = name
    return Places(there=there, unclear=frozenset(name for name, target in targets.items() if _key(target, fold=fold) in crowded))


def by_origin(tables: Mapping[TableName, T], where: Places, pairs: Pairs, *, fold: bool) -> dict[TableName, T]:
    """A replica's tables by their names on the source. Those in a rewritten database, which nothing feeds, are left out."""
    origins = {target: name for name, target in where.there.items()}
    found = {}
    for name, table in tables.items():
        origin = origins.get(name, name)
        if origin != name or rewritten(name, pairs, fold=fold) == name:
            found[origin] = table
    return found


def _key(name: TableName, *, fold: bool) -> TableName:
    return TableName(name.schema.lower(), name.table.lower()) if fold else name


def _same(one: str, other: str, *, fold: bool) -> bool:
    return one.casefold() == other.casefold() if fold else one == other

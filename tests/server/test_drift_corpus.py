"""Pairs of tables that are hard to tell apart, and pairs that only look different, each on real servers of both flavours."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.render.drift_json import drift_json
from repwatch.sandbox import Sandbox
from repwatch.sql.quoting import quote_table
from tests.server.corpus import CORPUS, Pair, TableResult, found_in, load_numbers, pairs, tables_of
from tests.server.drifting import run_check

FOLDERS = (CORPUS, CORPUS / "no_key")
PAIRS = pairs(FOLDERS)


def of_flavour(flavour: Flavour) -> list[Pair]:
    """The pairs that a flavour can have."""
    return [pair for pair in PAIRS if flavour in pair.flavours]


# While the check runs: what a session inherits must not show in what it reads.
_EVERYWHERE = "max_allowed_packet = 1048576"
_SOURCE = ("time_zone = '-03:00'", _EVERYWHERE)
_REPLICA = (
    "time_zone = '+05:30'",
    "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,STRICT_ALL_TABLES'",
    "div_precision_increment = 0",
    "group_concat_max_len = 8",
    _EVERYWHERE,
)


@dataclass(frozen=True)
class Checked:
    """What the check of all pairs of a flavour said."""

    rows: dict[TableName, int]  # on the source
    untouched: dict[TableName, TableResult]
    changed: dict[TableName, TableResult]


@pytest.fixture(scope="module")
def checked(flavour: Flavour) -> Iterator[Checked]:
    """All tables of all pairs, made on the source, changed on the second replica, and checked at once."""
    mine = of_flavour(flavour)
    with Sandbox.start(flavour, replicas=2) as star:
        load_numbers(star.source)
        for pair in mine:
            pair.load(star.source)
        star.wait_caught_up(120)
        for pair in mine:
            pair.change(star.replicas[1])
        rows = {pair.table: int(star.source.sql(f"SELECT COUNT(*) FROM {quote_table(pair.table)}")[0][0] or 0) for pair in mine}
        for server, settings in zip(star.servers, (_SOURCE, (_EVERYWHERE,), _REPLICA), strict=True):
            server.sql(*(f"SET GLOBAL {setting}" for setting in settings))
        report = drift_json(run_check(star, "pair_*.*", most=2000))
        yield Checked(rows, tables_of(report, star.replicas[0]), tables_of(report, star.replicas[1]))


def test_there_are_enough_pairs_for_each_flavour() -> None:
    assert all(len(of_flavour(flavour)) >= 100 for flavour in Flavour)


def test_each_pair_is_told_apart(checked: Checked, flavour: Flavour) -> None:
    """What differs is found by key and column, and nothing else; what is the same is proved; nothing is undecided."""
    wrong = {pair.name: said for pair in of_flavour(flavour) if (said := _differs(pair, checked))}
    assert not wrong, "\n".join(f"{name}: {said}" for name, said in wrong.items())


def _differs(pair: Pair, checked: Checked) -> str:
    """How a table's report differs from what its pair expects, or nothing."""
    table, rows = checked.changed[pair.table], checked.rows[pair.table]
    found = found_in(table)
    if found != pair.expected:
        return f"not found: {sorted(pair.expected - found, key=str)}, found: {sorted(found - pair.expected, key=str)}; {table}"
    if (table["verdict"], table["reason"]) != ("drifted" if pair.expected else "identical", None):
        return f"{table}"
    kinds = [difference.kind for difference in pair.expected]
    proved = rows - kinds.count("missing") - kinds.count("changed")
    if not {"schema", "table-missing", "row"} & set(kinds) and (table["rows"], table["rows_proved"]) != (rows, proved):
        return f"{rows} rows, of which {proved} are equal; {table}"
    return ""


def test_an_untouched_replica_is_identical(checked: Checked, flavour: Flavour) -> None:
    for pair in of_flavour(flavour):
        table, rows = checked.untouched[pair.table], checked.rows[pair.table]
        assert (table["verdict"], table["reason"], table["differences"]) == ("identical", None, []), pair.name
        assert (table["rows"], table["rows_proved"]) == (rows, rows), pair.name

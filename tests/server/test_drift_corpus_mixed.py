"""The corpus between the flavours: MySQL beside MariaDB, in both directions, compared as they stand."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.render.drift_json import drift_json
from repwatch.sandbox import SandboxServer
from repwatch.sql.quoting import quote_name, quote_table
from tests.conftest import start
from tests.server.corpus import Pair, TableResult, found_in, load_numbers, tables_of
from tests.server.drifting import run_static
from tests.server.test_drift_corpus import PAIRS

Ends = tuple[SandboxServer, SandboxServer]
MIXED = [pair for pair in PAIRS if pair.flavours == frozenset(Flavour)]

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Checked:
    """What the check of all pairs said; `rows` are those of the first server."""

    rows: dict[TableName, int]
    tables: dict[TableName, TableResult]


@pytest.fixture(scope="module")
def boxes() -> Iterator[Ends]:
    """A MariaDB and a MySQL server, by themselves."""
    with start(Flavour.MARIADB, 0) as maria, start(Flavour.MYSQL, 0) as mysql:
        yield maria.source, mysql.source


@pytest.fixture(scope="module", params=["mariadb to mysql", "mysql to mariadb"])
def checked(request: pytest.FixtureRequest, boxes: Ends) -> Checked:
    """All tables made on both servers, changed on the second, and checked at once."""
    ends = boxes if request.param.startswith("mariadb") else (boxes[1], boxes[0])
    for server in ends:
        server.sql("DROP DATABASE IF EXISTS numbers", *(f"DROP DATABASE IF EXISTS {quote_name(p.table.schema)}" for p in MIXED))
        load_numbers(server)
        for pair in MIXED:
            pair.load(server)
    for pair in MIXED:
        pair.change(ends[1])
    rows = {pair.table: int(ends[0].sql(f"SELECT COUNT(*) FROM {quote_table(pair.table)}")[0][0] or 0) for pair in MIXED}
    return Checked(rows, tables_of(drift_json(run_static(*ends, "pair_*.*", most=2000)), ends[1]))


def test_there_are_enough_pairs() -> None:
    assert len(MIXED) >= 100


def test_each_pair_is_told_apart(checked: Checked) -> None:
    """What differs is found by key and column, and nothing else; what is the same is proved; nothing is undecided."""
    wrong = {pair.name: said for pair in MIXED if (said := _differs(pair, checked))}
    assert not wrong, "\n".join(f"{name}: {said}" for name, said in wrong.items())


def _differs(pair: Pair, checked: Checked) -> str:
    """How a table's report differs from what its pair expects, or nothing."""
    table, rows = checked.tables[pair.table], checked.rows[pair.table]
    found = found_in(table)
    if found != pair.mixed:
        return f"not found: {sorted(pair.mixed - found, key=str)}, found: {sorted(found - pair.mixed, key=str)}; {table}"
    if (table["verdict"], table["reason"]) != ("drifted" if pair.mixed else "identical", None):
        return f"{table}"
    return "" if pair.mixed or table["rows_proved"] == rows else f"{rows} rows; {table}"

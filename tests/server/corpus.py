"""Reads the pairs of tables in `tests/corpus` (its README says how they are written) and a report in the same terms."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.sandbox import SandboxServer
from repwatch.sql.quoting import quote_name
from tests.server.drifting import Found, drift_on

CORPUS: Final = Path(__file__).parent.parent / "corpus"
NUMBERS: Final = 10_000


@dataclass(frozen=True)
class Pair:
    """A table as the source has it, what then happens to it on a replica, and what must be found."""

    name: str
    table: TableName
    flavours: frozenset[Flavour]
    source: tuple[str, ...]
    replica: tuple[str, ...]
    expected: frozenset[Found]
    mixed: frozenset[Found]  # the same where the two sides are of different flavours

    def load(self, server: SandboxServer) -> None:
        """Make the table."""
        schema = quote_name(self.table.schema)
        server.sql(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4", f"USE {schema}", *self.source)

    def change(self, server: SandboxServer) -> None:
        """Let happen on a replica what happens."""
        drift_on(server, f"USE {quote_name(self.table.schema)}", *self.replica)


def load_numbers(server: SandboxServer) -> None:
    """The table that pairs take their rows from."""
    values = ", ".join(f"({number})" for number in range(1, NUMBERS + 1))
    server.sql("CREATE DATABASE numbers", "CREATE TABLE numbers.n (i INT PRIMARY KEY)", f"INSERT INTO numbers.n VALUES {values}")


def pairs(folders: Iterable[Path]) -> list[Pair]:
    """All pairs in these folders."""
    return [_pair(file) for folder in folders for file in sorted(folder.glob("*.sql"))]


def _pair(file: Path) -> Pair:
    head, _, rest = file.read_text(encoding="utf-8").partition("-- source\n")
    source, _, rest = rest.partition("-- replica\n")
    replica, found, expected = rest.partition("-- expect\n")
    expected, _, mixed = expected.partition("-- between flavours\n")
    assert found, f"{file} lacks a section"
    name = file.relative_to(CORPUS).with_suffix("").as_posix()
    names = (line.removeprefix("-- ").partition(": ") for line in head.splitlines()[1:])
    settings = {key: value for key, _, value in names}
    unknown = settings.keys() - {"flavours", "table"}
    assert not unknown, f"{file}: {unknown}"
    flavours = settings.get("flavours", "mariadb, mysql").split(", ")
    return Pair(
        name=name,
        table=TableName(f"pair_{name.replace('/', '_')}", settings.get("table", "t")),
        flavours=frozenset(map(Flavour, flavours)),
        source=_statements(source),
        replica=_statements(replica),
        expected=_all_expected(expected),
        mixed=_all_expected(mixed or expected),
    )


def _all_expected(lines: str) -> frozenset[Found]:
    return frozenset(found for line in lines.splitlines() for found in _expected(line.removeprefix("-- ")))


def _statements(text: str) -> tuple[str, ...]:
    assert not text or text.endswith(";\n"), text
    return tuple(statement for statement in text.split(";\n") if statement)


def _expected(line: str) -> Iterator[Found]:
    kind, _, rest = line.partition(" ")
    match kind:
        case "identical" | "":
            return
        case "table-missing":
            yield Found(kind, ())
        case "schema":
            yield Found(kind, tuple(rest.split(" ")))
        case "row":
            row, _, counts = rest.rpartition(": ")
            yield Found(kind, (_sorted(json.loads(row)), *counts.split(" ")))
        case "changed":
            key, _, columns = rest.rpartition(": ")
            names = json.loads(columns) if columns.startswith("[") else columns.split(" ")
            yield from (Found(kind, found, frozenset(names)) for found in _keys(key))
        case _:
            assert kind in {"missing", "extra"}, line
            yield from (Found(kind, found) for found in _keys(rest))


def _keys(text: str) -> Iterator[tuple[str, ...]]:
    first, dots, last = text.partition("..")
    if dots and not text.startswith(('"', "[")):
        yield from ((str(number),) for number in range(int(first), int(last) + 1))
        return
    key = json.loads(text)
    yield tuple(map(str, key if isinstance(key, list) else [key]))


Cell = str | Mapping[str, str] | None


class Difference(TypedDict, total=False):
    """One of `differences` in the JSON report."""

    kind: str
    key: Mapping[str, Cell] | None
    columns: Mapping[str, object]
    what: str
    name: str
    effect: str
    row: Mapping[str, Cell]
    source_count: int
    replica_count: int


class TableResult(TypedDict):
    """One of `tables` in the JSON report."""

    schema: str
    table: str
    verdict: str
    reason: str | None
    rows: int
    rows_proved: int
    difference_count: int
    differences: list[Difference]


def tables_of(report: str, server: SandboxServer) -> dict[TableName, TableResult]:
    """The tables of one replica in a JSON report."""
    replicas = json.loads(report)["replicas"]
    tables: list[TableResult] = next(replica["tables"] for replica in replicas if replica["server"] == str(server.address))
    return {TableName(table["schema"], table["table"]): table for table in tables}


def found_in(table: TableResult) -> frozenset[Found]:
    """What was found that is data."""
    return frozenset(_found(found) for found in table["differences"] if found.get("effect", "data") == "data")


def _found(found: Difference) -> Found:
    kind, key = found["kind"], found.get("key")
    if kind == "schema":
        return Found(kind, (found["what"], found["name"]))
    if key is not None:
        return Found(kind, tuple(map(_text, key.values())), frozenset(found.get("columns", ())))
    if "source_count" in found:
        return Found("row", (_sorted(found["row"]), str(found["source_count"]), str(found["replica_count"])))
    return Found(kind, ())


def _text(cell: Cell) -> str | None:
    return f"0x{cell['hex']}" if isinstance(cell, Mapping) else cell


def _sorted(row: Mapping[str, Cell]) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=False)

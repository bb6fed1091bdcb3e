"""How many rows a check expects while it knows only some of its tables."""

from repwatch.drift.progress import RowEstimate
from repwatch.model.schema import Table, TableName


def tables(*rows: int) -> list[Table]:
    name = TableName("s", "t")
    return [Table(name=name, engine="InnoDB", columns=(), primary_key=(), estimated_rows=count) for count in rows]


def test_the_tables_to_come_are_taken_for_as_large_as_those_that_are_known() -> None:
    estimate = RowEstimate()
    assert estimate.rows == 0
    estimate.learn(tables(10, 30), 2, of=10)
    assert estimate.rows == 200
    estimate.learn(tables(5), 8, of=10)  # seven of them are gone by now
    assert estimate.rows == 45

"""The plan of row changes, tried on a model of a table that enforces its unique keys at each statement."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.repair import Event, RowChange, TableRules, TriggersInTheWay, images, plan_rows
from repwatch.model.schema import TableName
from repwatch.sql.keyrange import Key
from repwatch.sql.repair import Image

NAME = TableName("shop", "orders")
# Two unique indexes beside the key: one over the first value, one over the second and third together.
UNIQUE = (frozenset({1}), frozenset({2, 3}))
Rows = dict[Key, Image]


class Table:
    """Rows by key; a statement that breaks a unique index, or hits no row, fails as it does on a server."""

    def __init__(self, rows: Mapping[Key, Image]) -> None:
        self.rows = dict(rows)

    def run(self, change: RowChange) -> None:
        match change.event:
            case Event.DELETE:
                del self.rows[change.key]
                return
            case Event.INSERT:
                assert change.key not in self.rows
            case Event.UPDATE:
                assert change.key in self.rows
        assert change.after is not None
        for key, row in self.rows.items():
            for index in UNIQUE:
                mine, theirs = ([image[place] for place in sorted(index)] for image in (change.after, row))
                assert key == change.key or None in mine or mine != theirs, "duplicate entry"
        self.rows[change.key] = change.after


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Rows that keep both unique indexes. Few values, so that two tables often hold the same ones elsewhere."""
    value = st.sampled_from([b"a", b"b", b"c", b"d", None])
    rows: Rows = {}
    for number in draw(st.sets(st.integers(1, 8))):
        image = (b"%d" % number, *draw(st.tuples(value, value, value, value)))
        if all(_differs(image, row, index) for row in rows.values() for index in UNIQUE):
            rows[(str(number),)] = image
    return rows


def _differs(left: Image, right: Image, index: frozenset[int]) -> bool:
    mine, theirs = ([image[place] for place in sorted(index)] for image in (left, right))
    return None in mine or mine != theirs


def test_keys_that_are_numbers_are_taken_in_their_order() -> None:
    rows: Rows = {(number, "x"): (number.encode(), b"x") for number in ("10", "9", "-1", "2.5")}
    changes = plan_rows(TableRules(name=NAME, numbers=frozenset({0})), rows, {})
    assert [change.key[0] for change in changes] == ["-1", "2.5", "9", "10"]


def differing(wanted: Rows, actual: Rows) -> set[Key]:
    return {key for key in wanted.keys() | actual.keys() if wanted.get(key) != actual.get(key)}


def only(rows: Rows, keys: set[Key]) -> Rows:
    return {key: row for key, row in rows.items() if key in keys}


@given(wanted=tables(), actual=tables(), more=st.sets(st.integers(1, 8)))
def test_the_changes_lead_from_the_replica_to_the_source_and_their_undo_back(wanted: Rows, actual: Rows, more: set[int]) -> None:
    """Whichever equal rows are in the plan as well."""
    keys = differing(wanted, actual) | {(str(number),) for number in more}
    changes = plan_rows(TableRules(name=NAME, unique=UNIQUE), only(wanted, keys), only(actual, keys))
    table = Table(actual)
    for change in changes:
        table.run(change)
    assert table.rows == wanted
    before = {key: image for key, image, _ in images(changes) if image is not None}
    after = {key: image for key, _, image in images(changes) if image is not None}
    for change in plan_rows(TableRules(name=NAME, unique=UNIQUE), before, after):
        table.run(change)
    assert table.rows == actual


@given(wanted=tables(), actual=tables())
def test_only_differing_rows_are_touched(wanted: Rows, actual: Rows) -> None:
    changes = plan_rows(TableRules(name=NAME, unique=UNIQUE), wanted, actual)
    assert {change.key for change in changes} == differing(wanted, actual)


@given(wanted=tables(), actual=tables(), triggers=st.sets(st.sampled_from(Event)))
def test_no_statement_fires_a_trigger_on_the_way_or_back(wanted: Rows, actual: Rows, triggers: set[Event]) -> None:
    rules = TableRules(name=NAME, unique=UNIQUE, triggers=frozenset(triggers))
    try:
        changes = plan_rows(rules, wanted, actual)
    except TriggersInTheWay:
        assert triggers
        return
    assert not {change.event for change in changes} & triggers
    back = {key: image for key, image, _ in images(changes) if image is not None}
    now = {key: image for key, _, image in images(changes) if image is not None}
    assert not {change.event for change in plan_rows(rules, back, now)} & triggers


ROW = (b"1", b"a", None, None, None)
OTHER = (b"1", b"b", None, None, None)


@pytest.mark.parametrize(
    ("wanted", "actual", "triggers", "events"),
    [
        ({("1",): ROW}, {}, {Event.UPDATE}, [Event.INSERT]),
        ({}, {("1",): ROW}, {Event.UPDATE}, [Event.DELETE]),
        ({("1",): ROW}, {("1",): OTHER}, {Event.INSERT, Event.DELETE}, [Event.UPDATE]),
        ({("1",): ROW}, {("1",): OTHER}, {Event.UPDATE}, [Event.DELETE, Event.INSERT]),
        ({("1",): ROW}, {("1",): OTHER}, set(), [Event.UPDATE]),
        ({("1",): ROW}, {}, {Event.INSERT}, None),
        ({("1",): ROW}, {}, {Event.DELETE}, None),  # it could not be undone
        ({}, {("1",): ROW}, {Event.DELETE}, None),
        ({("1",): ROW}, {("1",): OTHER}, {Event.UPDATE, Event.INSERT}, None),
    ],
)
def test_statements_that_get_past_triggers(wanted: Rows, actual: Rows, triggers: set[Event], events: list[Event] | None) -> None:
    rules = TableRules(name=NAME, triggers=frozenset(triggers))
    if events is None:
        with pytest.raises(TriggersInTheWay):
            plan_rows(rules, wanted, actual)
    else:
        assert [change.event for change in plan_rows(rules, wanted, actual)] == events


def test_an_index_over_an_expression_counts_as_touched() -> None:
    """Two rows change something else, and the value of the expression with it."""
    rules = TableRules(name=NAME, unique=(None,))
    wanted: Rows = {("1",): (b"1", b"x"), ("2",): (b"2", b"y")}
    actual: Rows = {("1",): (b"1", b"y"), ("2",): (b"2", b"x")}
    events = [change.event for change in plan_rows(rules, wanted, actual)]
    assert events == [Event.DELETE, Event.DELETE, Event.INSERT, Event.INSERT]

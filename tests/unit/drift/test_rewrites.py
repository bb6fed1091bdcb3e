"""Tables whose database has another name on the replica."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.rewrites import by_origin, places, rewritten, touched
from repwatch.model.schema import Table, TableName
from repwatch.sql.filters import ChannelFilters


def name(text: str) -> TableName:
    schema, _, table = text.partition(".")
    return TableName(schema, table)


def table(where: TableName) -> Table:
    return Table(name=where, engine="InnoDB", columns=(), primary_key=())


@pytest.mark.parametrize(
    ("pairs", "ours", "theirs", "found", "unclear"),
    [
        ((), "a.t", "a.t", {"a.t": "a.t"}, ""),
        ((("a", "b"),), "a.t", "b.t", {"a.t": "b.t"}, ""),
        ((("a", "b"),), "a.t c.t", "b.t c.t", {"a.t": "b.t", "c.t": "c.t"}, ""),
        ((("a", "b"),), "a.t", "", {}, ""),  # missing there
        ((("a", "b"),), "a.t", "a.t b.t", {"a.t": "b.t"}, ""),  # what lies in a on the replica, nothing is written to
        ((("a", "b"),), "a.t", "b.t b.x", {"a.t": "b.t", "a.x": "b.x"}, ""),  # extra, by the name that it should come from
        ((("a", "b"),), "a.t b.u", "b.t b.u", {"a.t": "b.t", "b.u": "b.u"}, ""),  # two databases become one
        ((("a", "b"), ("b", "a")), "a.t b.t", "a.t b.t", {"a.t": "b.t", "b.t": "a.t"}, ""),  # two change places
        ((("a", "b"), ("a", "c")), "a.t", "b.t", {"a.t": "b.t"}, ""),  # the first pair counts
        ((("a", "a"),), "a.t", "a.t a.u", {"a.t": "a.t", "a.u": "a.u"}, ""),
    ],
)
def test_places(pairs: tuple[tuple[str, str], ...], ours: str, theirs: str, found: dict[str, str], unclear: str) -> None:
    source, replica = [name(one) for one in ours.split()], {name(one): table(name(one)) for one in theirs.split()}
    where = places(source, replica, pairs, fold=False)
    tables = by_origin(replica, where, pairs, fold=False)
    assert {str(origin): str(one.name) for origin, one in tables.items()} == found
    assert {str(one) for one in where.unclear} == set(unclear.split())
    assert {origin: where.of(origin) for origin in tables} == {origin: one.name for origin, one in tables.items()}


def test_tables_that_become_one_are_unclear() -> None:
    merged = places([name("a.t"), name("b.t"), name("a.u")], [name("b.t"), name("b.u")], (("a", "b"),), fold=False)
    assert merged.unclear == {name("a.t"), name("b.t")}


def test_letters_of_databases_count_where_the_server_says_so() -> None:
    theirs = {name("b.t"): table(name("b.t"))}
    for fold, expected in ((True, {"A.t": "b.t"}), (False, {"b.t": "b.t"})):
        where = places([name("A.t")], theirs, (("a", "B"),), fold=fold)
        tables = by_origin(theirs, where, (("a", "B"),), fold=fold)
        assert {str(origin): str(one.name) for origin, one in tables.items()} == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "found", "unclear"),
    [
        ("a.T b.u", "a.t b.u", {"a.T": "a.t", "b.u": "b.u"}, ""),
        ("A.T", "a.t", {"A.T": "a.t"}, ""),
        ("a.t", "A.T", {"a.t": "A.T"}, ""),  # as some file systems keep them (lower_case_table_names 2)
        ("a.T", "a.x", {"a.x": "a.x"}, ""),  # one missing, one extra
        ("a.T a.t", "a.t", None, "a.T a.t"),
        ("a.T a.t", "", None, "a.T a.t"),
        ("a.T", "", {}, ""),
    ],
)
def test_names_in_other_letters_on_a_replica_that_folds_them(
    ours: str, theirs: str, found: dict[str, str] | None, unclear: str
) -> None:
    replica = {name(one): table(name(one)) for one in theirs.split()}
    where = places([name(one) for one in ours.split()], replica, (), fold=True)
    assert {str(one) for one in where.unclear} == set(unclear.split())
    if found is not None:
        tables = by_origin(replica, where, (), fold=True)
        assert {str(origin): str(one.name) for origin, one in tables.items()} == found


def test_which_databases_a_rewrite_touches() -> None:
    channels = (ChannelFilters(rewrites=(("a", "b"),)),)
    assert [touched(schema, channels, fold=False) for schema in ("a", "b", "c", "A")] == [True, True, False, False]
    assert touched("A", channels, fold=True)
    assert touched("c", (ChannelFilters(rewrites=None),), fold=False)


NAMES = st.builds(TableName, st.sampled_from("abcd"), st.sampled_from("tu"))
PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=3)


@given(ours=st.sets(NAMES), alone=st.sets(NAMES), pairs=PAIRS)
def test_each_table_is_found_where_its_events_went(
    ours: set[TableName], alone: set[TableName], pairs: list[tuple[str, str]]
) -> None:
    """Invariant: a table of the source that shares its place with no other is compared with what its events have written."""
    written = {rewritten(one, pairs, fold=False) for one in ours}
    theirs = {one: table(one) for one in written | alone}
    where = places(ours, theirs, pairs, fold=False)
    tables = by_origin(theirs, where, pairs, fold=False)
    for one in ours - where.unclear:
        assert tables[one].name == where.of(one) == rewritten(one, pairs, fold=False)
    assert all(one in where.unclear for one in ours if sum(rewritten(o, pairs, fold=False) == where.of(one) for o in ours) > 1)

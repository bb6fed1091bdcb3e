"""What replication filters make of a table, by the rules of the servers' manuals."""

import pytest

from repwatch.drift.filters import Filtering, Reach, reach
from repwatch.drift.verdict import Events
from repwatch.model.schema import TableName
from repwatch.sql.filters import ChannelFilters, DatabaseFilters, parse_filters, parse_log_status

IN, OUT, OPEN = Reach.REPLICATED, Reach.FILTERED, Reach.UNCLEAR


def test_a_named_connection_does_not_rewrite_as_the_default_one_does() -> None:
    assert parse_filters({"Replicate_Rewrite_DB": ""}, "a->b").rewrites == ()
    assert parse_filters({}, "a->b").rewrites == (("a", "b"),)


def found(row: dict[str, str | None], table: str, events: Events = Events.ROW_IMAGES, *, fold: bool = False) -> Reach:
    schema, _, name = table.partition(".")
    return reach(TableName(schema, name), Filtering(channels=(parse_filters(row),), fold=fold), events)


@pytest.mark.parametrize(
    ("rules", "table", "expected"),
    [
        ({}, "a.t", IN),
        ({"Replicate_Do_DB": "a,b"}, "b.t", IN),
        ({"Replicate_Do_DB": "a,b"}, "c.t", OUT),
        ({"Replicate_Do_DB": "a"}, "A.t", OUT),
        ({"Replicate_Ignore_DB": "a, b"}, "b.t", OUT),
        ({"Replicate_Ignore_DB": "a"}, "c.t", IN),
        ({"Replicate_Do_DB": "a", "Replicate_Ignore_DB": "a"}, "a.t", IN),  # the second list is not looked at
        ({"Replicate_Do_Table": "a.t"}, "a.t", IN),
        ({"Replicate_Do_Table": "a.t"}, "a.u", OUT),
        ({"Replicate_Do_Table": "a.t_"}, "a.tx", OUT),  # no wildcard
        ({"Replicate_Ignore_Table": "a.t"}, "a.t", OUT),
        ({"Replicate_Ignore_Table": "a.t"}, "a.u", IN),
        ({"Replicate_Do_Table": "a.t", "Replicate_Ignore_Table": "a.t"}, "a.t", IN),  # the first rule that fits
        ({"Replicate_Do_Table": "a.t", "Replicate_Ignore_Table": "a.u"}, "a.v", OUT),
        ({"Replicate_Wild_Do_Table": "a.%"}, "a.t", IN),
        ({"Replicate_Wild_Do_Table": "a.%"}, "ab.t", OUT),
        ({"Replicate_Wild_Do_Table": "a%.t%"}, "abc.tu", IN),
        ({"Replicate_Wild_Ignore_Table": "shop.log_"}, "shop.logs", OUT),
        ({"Replicate_Wild_Ignore_Table": "shop.log_"}, "shop.log", IN),
        ({"Replicate_Wild_Ignore_Table": "shop.log\\_%"}, "shop.log_1", OUT),
        ({"Replicate_Wild_Ignore_Table": "shop.log\\_%"}, "shop.logs1", IN),
        ({"Replicate_Wild_Ignore_Table": "shop.100\\%"}, "shop.100%", OUT),
        ({"Replicate_Wild_Ignore_Table": "shop.100\\%"}, "shop.1000", IN),
        ({"Replicate_Wild_Ignore_Table": "a.[t]"}, "a.t", IN),  # no shell pattern, no regular expression
        ({"Replicate_Wild_Ignore_Table": "a%z"}, "ab.cz", OUT),  # the dot is a character like others
        ({"Replicate_Ignore_Table": "a.t", "Replicate_Wild_Do_Table": "a.%"}, "a.t", OUT),
        ({"Replicate_Wild_Do_Table": "a.%", "Replicate_Wild_Ignore_Table": "a.t"}, "a.t", IN),
        ({"Replicate_Ignore_DB": "a", "Replicate_Do_Table": "a.t"}, "a.t", OUT),  # databases come before tables
        ({"Replicate_Do_DB": "a", "Replicate_Ignore_Table": "a.t"}, "a.t", OUT),
        ({"Replicate_Rewrite_DB": "(a,b)"}, "a.t", IN),
        ({"Replicate_Rewrite_DB": "(x,y),(a,b)", "Replicate_Do_DB": "b"}, "a.t", IN),  # names are rewritten first
        ({"Replicate_Rewrite_DB": "x->y,a->b", "Replicate_Do_DB": "a"}, "a.t", OUT),
        ({"Replicate_Rewrite_DB": "a->b", "Replicate_Wild_Do_Table": "b.%"}, "a.t", IN),
        ({"Replicate_Rewrite_DB": "a->b", "Replicate_Ignore_Table": "a.t"}, "a.t", IN),
        ({"Replicate_Rewrite_DB": "a->b"}, "c.t", IN),
        ({"Replicate_Rewrite_DB": "what is this"}, "c.t", OPEN),
        ({"Replicate_Ignore_Table": "a.x,y"}, "a.x,y", OPEN),  # printed lists have no way to say a comma
    ],
)
def test_row_events(rules: dict[str, str | None], table: str, expected: Reach) -> None:
    assert found(rules, table) is expected


@pytest.mark.parametrize(
    ("rules", "table", "expected"),
    [
        ({"Replicate_Do_DB": "a"}, "a.t", OPEN),
        ({"Replicate_Do_DB": "a"}, "b.t", OPEN),
        ({"Replicate_Ignore_DB": "a"}, "b.t", OPEN),
        ({"Replicate_Ignore_DB": "a", "Replicate_Ignore_Table": "b.t"}, "b.t", OUT),  # left out whatever the database
        ({"Replicate_Wild_Ignore_Table": "a.%"}, "a.t", OUT),
        ({"Replicate_Wild_Ignore_Table": "a.%"}, "b.t", IN),
    ],
)
def test_statements_are_filtered_by_a_default_database_that_no_table_tells(
    rules: dict[str, str | None], table: str, expected: Reach
) -> None:
    assert found(rules, table, Events.STATEMENTS) is expected


def test_names_ignore_case_where_the_server_does() -> None:
    for rules in (
        {"Replicate_Ignore_DB": "Shop"},
        {"Replicate_Ignore_Table": "Shop.T"},
        {"Replicate_Wild_Ignore_Table": "SHOP.%"},
    ):
        assert found(dict(rules), "sHop.t", fold=True) is OUT
        assert found(dict(rules), "sHop.t") is IN


def test_what_the_source_does_not_log_reaches_nobody() -> None:
    logged = parse_log_status([{"File": "log.1", "Binlog_Do_DB": "a", "Binlog_Ignore_DB": None}])
    assert logged == DatabaseFilters(do=("a",))
    filtering = Filtering(logged=logged, channels=(ChannelFilters(do_tables=("b.t",)),))
    assert reach(TableName("b", "t"), filtering, Events.ROW_IMAGES) is OUT
    assert reach(TableName("a", "t"), Filtering(logged=logged), Events.ROW_IMAGES) is IN
    assert parse_log_status([]) == DatabaseFilters()


def test_one_of_several_channels_is_enough() -> None:
    channels = (ChannelFilters(ignore_tables=("a.t",)), ChannelFilters(ignore_tables=("a.u",)))
    assert reach(TableName("a", "t"), Filtering(channels=channels), Events.ROW_IMAGES) is IN


def test_a_trailing_escape_is_itself() -> None:
    assert found({"Replicate_Wild_Ignore_Table": "a.t\\"}, "a.t\\") is OUT

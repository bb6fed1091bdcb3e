"""What is put aside, in which order, and under which number."""

from repwatch.model.schema import TableName
from repwatch.reseed.quarantine import Entry, numbered, only_theirs
from repwatch.sql.definitions import Definition, Kind


def thing(kind: Kind, name: str = "", statement: str = "", schema: str = "shop") -> Definition:
    return Definition(kind=kind, schema=schema, name=name, statement=statement)


TABLE, EXTRA = thing(Kind.TABLE, "orders", "o"), thing(Kind.TABLE, "extra", "e")
SHOP = thing(Kind.SCHEMA)


def test_what_both_have_stays_whatever_its_definition() -> None:
    theirs = (SHOP, thing(Kind.TABLE, "orders", "another"), thing(Kind.VIEW, "v", "another"))
    assert only_theirs((SHOP, TABLE, thing(Kind.VIEW, "v")), theirs, {}) == []


def test_a_name_that_is_another_kind_of_thing_on_the_source_is_only_theirs() -> None:
    assert only_theirs((SHOP, thing(Kind.VIEW, "extra")), (SHOP, EXTRA), {}) == [EXTRA]


def test_a_schema_goes_after_all_that_is_in_it_and_triggers_before_their_tables() -> None:
    own = thing(Kind.SCHEMA, schema="own")
    theirs = (own, *(thing(kind, "x", schema="own") for kind in Kind if kind is not Kind.SCHEMA))
    found = [item.kind for item in only_theirs((), theirs, {})]
    assert found.index(Kind.TRIGGER) < found.index(Kind.TABLE)
    assert found[-1] is Kind.SCHEMA


def test_every_trigger_of_a_table_goes_with_it_even_where_the_source_has_one_of_that_name() -> None:
    trigger = thing(Kind.TRIGGER, "t")
    on = {TableName("shop", "t"): TableName("shop", "extra")}
    assert only_theirs((SHOP, trigger), (SHOP, EXTRA, trigger), on) == [trigger, EXTRA]
    assert (
        only_theirs((SHOP, TABLE, trigger), (SHOP, TABLE, trigger), {TableName("shop", "t"): TableName("shop", "orders")}) == []
    )


def test_an_object_that_was_written_down_and_is_still_there_keeps_its_number_and_its_first_text() -> None:
    left = [Entry(3, EXTRA), Entry(4, thing(Kind.VIEW, "v", "text"))]
    moved_on = thing(Kind.TABLE, "extra", "its foreign key leads elsewhere by now")
    assert numbered([moved_on, thing(Kind.VIEW, "v", "text")], left, set()) == left


def test_another_object_of_that_name_gets_a_number_of_its_own() -> None:
    left = [Entry(3, EXTRA), Entry(4, thing(Kind.VIEW, "v", "text"))]
    view = thing(Kind.VIEW, "v", "another")
    assert numbered([EXTRA, view], left, {3}) == [Entry(5, EXTRA), Entry(6, view)]

"""What does not come to a replica as it is on the source is not copied to it."""

from dataclasses import replace

import pytest

from repwatch.drift.filters import Filtering
from repwatch.drift.verdict import Events
from repwatch.model.schema import TableName
from repwatch.reseed.choice import choose
from repwatch.reseed.facts import Facts, Way
from repwatch.reseed.filtered import Passage, filter_refusals, passage
from repwatch.sql.filters import ChannelFilters, DatabaseFilters
from tests.unit.reseed.facts import FACTS, table
from tests.unit.reseed.test_donor import with_donor
from tests.unit.reseed.test_preconditions import codes

ORDERS, LOG = TableName("shop", "orders"), TableName("log", "lines")
SHOP = DatabaseFilters(ignore=("shop",))


def way(logged: DatabaseFilters = DatabaseFilters(), events: Events = Events.ROW_IMAGES, **filters: object) -> Way:  # noqa: B008
    channel = ChannelFilters(**filters)  # type: ignore[arg-type]
    return Way(filtering=Filtering(logged=logged, channels=(channel,)), events=events)


@pytest.mark.parametrize(
    ("found", "of_shop", "of_log"),
    [
        (way(), Passage.WHOLE, Passage.WHOLE),
        (way(ignore_tables=("shop.orders",)), Passage.LEFT_OUT, Passage.WHOLE),
        (way(wild_do=("shop.%",)), Passage.WHOLE, Passage.LEFT_OUT),
        (way(databases=SHOP), Passage.LEFT_OUT, Passage.WHOLE),
        (way(databases=SHOP, events=Events.STATEMENTS), Passage.UNCLEAR, Passage.UNCLEAR),
        (way(SHOP), Passage.NOT_LOGGED, Passage.WHOLE),
        (way(SHOP, Events.STATEMENTS), Passage.UNCLEAR, Passage.UNCLEAR),
        (way(rewrites=(("shop", "store"),)), Passage.RENAMED, Passage.WHOLE),
        (way(rewrites=(("store", "shop"),)), Passage.RENAMED, Passage.WHOLE),  # where another's rows are written
        (way(rewrites=(("log", "shop"),), databases=SHOP), Passage.RENAMED, Passage.RENAMED),
        (way(rewrites=None), Passage.RENAMED, Passage.RENAMED),  # it cannot be told
    ],
)
def test_what_becomes_of_a_table(found: Way, of_shop: Passage, of_log: Passage) -> None:
    assert (passage(ORDERS, found), passage(LOG, found)) == (of_shop, of_log)


def named(facts: Facts, *names: TableName) -> Facts:
    tables = tuple(replace(table(), name=name) for name in (ORDERS, LOG))
    return replace(facts, only=names, source=replace(facts.source, tables=tables))


FILTERED = replace(FACTS, way=way(ignore_tables=("shop.orders",)))
APART = replace(FACTS, way=way(wild_ignore=("mysql.%", "scratch.%")))


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        (named(FILTERED), True),
        (named(FILTERED, LOG), False),
        (named(FILTERED, LOG, ORDERS), True),
        (named(APART), False),
    ],
)
def test_only_what_is_copied_counts(facts: Facts, refused: bool) -> None:
    assert [refusal.code for refusal in filter_refusals(facts, choose(facts))] == ["filtered"] * refused


def test_a_donor_that_does_not_get_all_is_no_donor() -> None:
    assert codes(with_donor(way=way(ignore_tables=("shop.orders",)))) == {"filtered"}
    assert codes(with_donor(way=way(ignore_tables=("shop.items",)))) == set()

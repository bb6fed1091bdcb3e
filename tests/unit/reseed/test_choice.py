"""Which method is chosen, and what the plan then says."""

from dataclasses import replace

import pytest

from repwatch.model.schema import TableName
from repwatch.reseed.choice import Choice, alike_share, choose
from repwatch.reseed.facts import Facts, TableFacts
from repwatch.reseed.method import Method, Why, of_text
from repwatch.reseed.plan import make_plan
from repwatch.reseed.stages import Stage
from repwatch.sql.definitions import Kind
from repwatch.sql.replication import HOLD_DELAY
from tests.unit.reseed.facts import FACTS, channel, table
from tests.unit.reseed.test_preconditions import codes, on_target, source, target
from tests.unit.reseed.test_stages import marker

ORDERS = TableName("shop", "orders")


def sized(name: str, rows: int, data_bytes: int = 1_000, definition: str = "d") -> TableFacts:
    return replace(table(name, data_bytes=data_bytes), rows=rows, definition=definition)


def sides(ours: tuple[TableFacts, ...], theirs: tuple[TableFacts, ...]) -> Facts:
    return replace(FACTS, source=replace(FACTS.source, tables=ours), target=replace(FACTS.target, tables=theirs))


ALIKE = sides((sized("orders", 100_000),), (sized("orders", 90_000),))
IN_PLACE = replace(ALIKE, only=(ORDERS,))


@pytest.mark.parametrize(
    ("facts", "method", "why"),
    [
        (ALIKE, Method.DIFFERENTIAL, Why.MOSTLY_ALIKE),
        (replace(ALIKE, asked=Method.LOGICAL), Method.LOGICAL, Why.ASKED),
        (replace(FACTS, asked=Method.DIFFERENTIAL), Method.DIFFERENTIAL, Why.ASKED),
        (IN_PLACE, Method.TABLE, Why.ASKED),
        (FACTS, Method.LOGICAL, Why.EMPTY),
        (sides((sized("orders", 100_000),), (sized("orders", 40_000),)), Method.LOGICAL, Why.FAR_OFF),
        (sides((sized("orders", 100_000),), (sized("orders", 0),)), Method.LOGICAL, Why.FAR_OFF),
        (sides((sized("orders", 40_000),), (sized("orders", 100_000),)), Method.LOGICAL, Why.FAR_OFF),
        (sides((sized("orders", 9_000),), (sized("orders", 0),)), Method.DIFFERENTIAL, Why.MOSTLY_ALIKE),
        (sides((sized("orders", 9),), (sized("orders", 9, definition="other"),)), Method.LOGICAL, Why.FAR_OFF),
        (sides((sized("orders", 9),), (sized("items", 9),)), Method.LOGICAL, Why.FAR_OFF),
        (sides((), (sized("items", 9),)), Method.LOGICAL, Why.FAR_OFF),
        (
            sides((sized("orders", 9, 10), sized("items", 9, 1_000)), (sized("orders", 9), sized("items", 9, definition="x"))),
            Method.LOGICAL,
            Why.FAR_OFF,
        ),
    ],
)
def test_the_method_and_why(facts: Facts, method: Method, why: Why) -> None:
    choice = choose(facts)
    assert (choice.method, choice.why) == (method, why)


def test_a_view_counts_for_nothing() -> None:
    views = (replace(table("a_view", kind="VIEW"), definition=""),)
    assert alike_share(sides((*ALIKE.source.tables, *views), ALIKE.target.tables)) == 1.0


def test_what_was_begun_is_gone_on_with_unless_another_method_is_asked_for() -> None:
    begun = on_target(marker=replace(marker(Stage.LOADING), method=Method.TABLE, tables=(ORDERS,)))
    assert choose(begun) == Choice(Method.TABLE, Why.TAKEN_UP, (ORDERS,))
    assert choose(replace(begun, asked=Method.LOGICAL)) == Choice(Method.LOGICAL, Why.ASKED)


def test_auto_leaves_the_choice() -> None:
    assert of_text("auto") is None
    assert of_text("logical") is Method.LOGICAL


def whats(facts: Facts) -> list[str]:
    return [step.what for step in make_plan(facts).steps if not step.reversible]


def test_a_differential_plan_names_each_table_and_schema_that_goes() -> None:
    theirs = (sized("orders", 9), sized("redefined", 9, definition="old"), sized("extra", 9))
    facts = sides((sized("orders", 100_000), sized("redefined", 9)), theirs)
    facts = target(replace(facts, asked=Method.DIFFERENTIAL), schemas=("shop", "another"))
    assert [what.split()[1] for what in whats(facts) if what.startswith("drop ")] == ["shop.redefined"]
    assert put_aside(facts) == ["another", "shop.extra"]
    assert any("compare shop " in what for what in whats(facts))


def put_aside(facts: Facts) -> list[str]:
    """What the plan says that goes into quarantine; that can be taken back."""
    steps = [step for step in make_plan(facts).steps if step.what.startswith("quarantine ")]
    assert all(step.reversible for step in steps)
    return [step.what.split(",")[0].removeprefix("quarantine ") for step in steps]


@pytest.mark.parametrize("method", [Method.DIFFERENTIAL, Method.LOGICAL])
def test_all_that_only_the_replica_has_is_named_and_part_of_what_is_agreed_to(method: Method) -> None:
    view, event = (Kind.VIEW, TableName("shop", "shared")), (Kind.EVENT, TableName("shop", "own"))
    facts = replace(sides((sized("orders", 9),), (sized("orders", 9), sized("extra", 9))), asked=method)
    facts = replace(facts, source=replace(facts.source, objects=(view,)), target=replace(facts.target, objects=(view, event)))
    assert put_aside(facts) == ["shop.extra", "event shop.own"]
    without = replace(facts, target=replace(facts.target, objects=(view,)))
    assert make_plan(without).plan_hash != make_plan(facts).plan_hash
    begun, further = (
        replace(some, target=replace(some.target, marker=replace(marker(Stage.LOADING), method=method, tables=())))
        for some in (facts, without)
    )
    assert make_plan(begun).plan_hash == make_plan(further).plan_hash  # it has been put aside since


def test_a_plan_for_tables_leaves_all_others_and_the_history_alone() -> None:
    theirs = (sized("orders", 9), sized("extra", 9), sized("items", 9, definition="old"))
    facts = replace(sides((sized("orders", 9), sized("items", 9)), theirs), only=(ORDERS,))
    plan = make_plan(facts)
    assert not any(what.startswith("drop ") for what in whats(facts))
    assert not any("RESET" in step.statement or "DROP DATABASE IF EXISTS `shop" in step.statement for step in plan.steps)
    assert make_plan(replace(facts, only=(TableName("shop", "items"),))).plan_hash != plan.plan_hash


def test_tables_that_foreign_keys_connect_are_named() -> None:
    child, elsewhere = TableName("shop", "child"), TableName("shop", "elsewhere")
    facts = replace(IN_PLACE, source=replace(IN_PLACE.source, foreign_keys=((child, ORDERS), (elsewhere, child))))
    assert "shop.child" in make_plan(facts).reason
    assert "elsewhere" not in make_plan(facts).reason


def test_transactions_that_will_be_lost_are_named() -> None:
    facts = on_target(errant="uuid:1-3")
    assert "uuid:1-3" in make_plan(facts).reason
    assert make_plan(facts).plan_hash == make_plan(FACTS).plan_hash


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (IN_PLACE, set()),
        (replace(IN_PLACE, only=(ORDERS, TableName("shop", "none"))), {"no-such-table"}),
        (target(IN_PLACE, channels=()), {"not-following", "standalone"}),
        (target(IN_PLACE, channels=(replace(channel(), uses_gtid=False),)), {"gtid-off"}),
        (target(IN_PLACE, channels=(channel(),)), {"applier-error"}),
        (target(IN_PLACE, channels=(replace(channel(), applier_errno=0, delay=HOLD_DELAY),)), {"held"}),
        (replace(IN_PLACE, local_tables=("shop.*",)), {"local-tables"}),
        (replace(IN_PLACE, local_tables=("other.*", "shop.x*")), set()),
        (source(IN_PLACE, binlog_expires=1), {"purge-horizon"}),
        (
            replace(IN_PLACE, source=replace(IN_PLACE.source, tables=(sized("orders", 9), table("other", engine="MyISAM")))),
            set(),
        ),
        (replace(IN_PLACE, source=replace(IN_PLACE.source, tables=(table(engine="MyISAM"),))), {"engine"}),
        (
            replace(IN_PLACE, target=replace(IN_PLACE.target, marker=marker(Stage.LOADING))),
            {"half-loaded"},
        ),
    ],
)
def test_what_forbids_to_put_single_tables_right(facts: Facts, expected: set[str]) -> None:
    healthy = replace(channel(), applier_errno=0, applier_running=True)
    if facts.target.server.channels == FACTS.target.server.channels and expected != {"applier-error"}:
        facts = target(facts, channels=(healthy,))
    assert codes(facts) == expected

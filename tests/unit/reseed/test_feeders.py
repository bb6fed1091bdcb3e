"""Of a replica of several sources a table is put right only where one of them alone brings its rows."""

from dataclasses import replace

import pytest

from repwatch.reseed.choice import choose
from repwatch.reseed.facts import Facts, Feeder
from repwatch.reseed.feeders import feeder_refusals
from tests.unit.reseed.facts import FACTS, TARGET_UUID, channel
from tests.unit.reseed.test_donor import with_donor
from tests.unit.reseed.test_filtered import LOG, ORDERS, named, way

BILLING = channel(uuid=TARGET_UUID.replace("2", "9"), source_id=9, name="billing")


def fed(facts: Facts, *feeders: Feeder) -> Facts:
    server = replace(facts.target.server, channels=(channel(), BILLING))
    return replace(facts, target=replace(facts.target, server=server), feeders=feeders)


NOTHING = Feeder(channel="billing", has=frozenset())
ALL = Feeder(channel="billing", has=frozenset({ORDERS, LOG}))


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        (FACTS, False),
        (fed(named(FACTS)), True),  # a full copy, and nobody has to be asked
        (fed(named(FACTS, ORDERS), NOTHING), False),
        (fed(named(FACTS, ORDERS), ALL), True),
        (fed(named(FACTS, ORDERS), replace(ALL, has=None)), True),  # it does not answer
        (fed(named(FACTS, ORDERS), replace(ALL, way=way(ignore_tables=("shop.orders",)))), False),
        (fed(named(FACTS, ORDERS), replace(NOTHING, way=way(rewrites=(("invoices", "shop"),)))), True),
        (fed(named(with_donor(), ORDERS), NOTHING), True),
    ],
)
def test_what_another_channel_may_bring_is_not_touched(facts: Facts, refused: bool) -> None:
    assert [refusal.code for refusal in feeder_refusals(facts, choose(facts))] == ["other-channels"] * refused

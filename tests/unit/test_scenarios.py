"""The table of ways to break replication: how many there are, and what they provoke."""

import pytest

from repwatch.health.rules import RULES
from repwatch.model.server import Flavour
from tests.server.scenarios.table import SCENARIOS

WAYS = 30
ELSEWHERE = {
    "observation-stale",  # repwatch itself is late: tests/unit/health/test_rules.py
    "auto-increment-exhaustion",  # tests/server/test_room.py
    "relay-space-full",  # tests/server/test_room.py
    "disk-nearly-full",  # the plugin is not in the packages that the tests install: tests/unit/health/test_rules_room.py
    "heartbeat-stopped",  # tests/server/test_heartbeat.py
    "source-changed",  # tests/server/test_watch_switchover.py
}


@pytest.mark.parametrize("flavour", list(Flavour))
def test_replication_is_broken_in_many_ways(flavour: Flavour) -> None:
    assert len([scenario for scenario in SCENARIOS if flavour in scenario.on]) >= WAYS
    assert len([scenario for scenario in SCENARIOS if flavour in scenario.on and not scenario.long]) >= WAYS


def test_each_way_is_told_apart() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({scenario.what for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({scenario.breaks for scenario in SCENARIOS}) >= len(SCENARIOS) - 2  # two are played under other conditions


@pytest.mark.parametrize("code", sorted({rule.code.value for rule in RULES} - ELSEWHERE))
@pytest.mark.parametrize("flavour", list(Flavour))
def test_each_finding_is_provoked_on_real_servers(flavour: Flavour, code: str) -> None:
    told = {place[1] for scenario in SCENARIOS if flavour in scenario.on for place in scenario.told[flavour]}
    follows = {place[1] for scenario in SCENARIOS if flavour in scenario.on for place in scenario.follows}
    assert code in told | follows, "write a scenario for it, or say in ELSEWHERE where it is provoked"

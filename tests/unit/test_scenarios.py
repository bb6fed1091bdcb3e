"""The table of ways to break replication: how many there are, and what they provoke."""

import ast
from pathlib import Path

import pytest

from repwatch.health.rules import RULES
from repwatch.model.server import Flavour
from repwatch.sql.status import STATEMENTS, Part
from tests.server.scenarios.table import SCENARIOS

WAYS = 30
SERVER_TESTS = Path(__file__).parents[1] / "server"
ELSEWHERE = {
    "auto-increment-exhaustion": ("test_room.py", "test_numbers_that_run_out"),  # it is asked for once an hour
    "heartbeat-stopped": ("test_heartbeat.py", "test_a_heart_that_stands_still_is_a_finding_and_no_lag"),  # it needs a writer
}
"""What real servers are brought to in a test of its own: module and name."""
UNSEEN = {(Flavour.MYSQL, "disk-nearly-full"): Part.DISKS}
"""What a flavour has no statement for, so that nothing can provoke it there."""


@pytest.mark.parametrize("flavour", list(Flavour))
def test_replication_is_broken_in_many_ways(flavour: Flavour) -> None:
    assert len([scenario for scenario in SCENARIOS if flavour in scenario.on]) >= WAYS
    assert len([scenario for scenario in SCENARIOS if flavour in scenario.on and not scenario.long]) >= WAYS


def test_each_way_is_told_apart() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({scenario.what for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({scenario.breaks for scenario in SCENARIOS}) >= len(SCENARIOS) - 2  # two are played under other conditions


def played() -> list[tuple[Flavour, str]]:
    """Each finding of the rules with each flavour that can have it."""
    codes = sorted({rule.code.value for rule in RULES} - ELSEWHERE.keys())
    return [(flavour, code) for flavour in Flavour for code in codes if (flavour, code) not in UNSEEN]


@pytest.mark.parametrize(("flavour", "part"), [(flavour, part) for (flavour, _), part in UNSEEN.items()])
def test_what_cannot_be_seen_is_not_asked_for(flavour: Flavour, part: Part) -> None:
    assert not [each for each in STATEMENTS if each.part is part and each.flavour is flavour]


@pytest.mark.parametrize(("flavour", "code"), played())
def test_each_finding_is_provoked_on_real_servers(flavour: Flavour, code: str) -> None:
    told = {place[1] for scenario in SCENARIOS if flavour in scenario.on for place in scenario.told[flavour]}
    brought = {place[1] for scenario in SCENARIOS if flavour in scenario.on for place in scenario.brings}
    assert code in told | brought, "write a scenario for it, or say in ELSEWHERE where it is provoked"


@pytest.mark.parametrize("code", sorted(ELSEWHERE))
def test_what_is_provoked_elsewhere_is(code: str) -> None:
    module, name = ELSEWHERE[code]
    rule = next(rule for rule in RULES if rule.code.value == code)
    text = (SERVER_TESTS / module).read_text(encoding="utf-8")
    (test,) = (each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef) and each.name == name)
    assert not test.decorator_list, "it runs always, on both flavours"
    source = ast.get_source_segment(text, test) or ""
    assert code in source or rule.find.__name__ in source

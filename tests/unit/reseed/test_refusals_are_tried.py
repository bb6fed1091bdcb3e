"""Each reason to refuse a reseed, a repair or its undo is tried on real servers in that state, and stands in the docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.drift.report import Reason
from repwatch.model.server import Flavour
from tests.server import (
    test_repair_refusals,
    test_reseed_from,
    test_reseed_physical_refusals,
    test_reseed_refusals,
    test_reseed_refusals_of_tables,
)

PROJECT = Path(__file__).parents[3]
ROOT = PROJECT / "repwatch"
SHARED = "reseed/roles.py"
FEEDERS = "reseed/feeders.py"
RESEED = ("reseed/preconditions.py", "reseed/filtered.py", FEEDERS, SHARED)
DONOR = "reseed/donor.py"
REPAIR = ("drift/repair_preconditions.py", "flows/repair.py", "flows/repair_undo.py", FEEDERS, SHARED)
# What the docs tell of: each table of refusals says what it takes from where.
DOCUMENTED = {
    "repair": (*REPAIR, DONOR),
    "reseed": (*RESEED, DONOR, "reseed/clone.py", "reseed/host_preconditions.py"),
}
# Of the definitions of a table (drift/definitions.py), and of a list of pairs (reseed/clone.py).
ALSO = {"repair": {Reason.UNSUPPORTED_TYPE.value}, "reseed": {"platform-differs", "charset-differs"}}
# Files, which repair does not copy.
NOT_THERE = {"repair": {"donor-files"}, "reseed": set[str]()}
# Of no type that both flavours have today, but a key that cannot be looked up must never be guessed.
NO_STATE_KNOWN = {"unsupported-key"}
# Tried by a test that mounts a disk (test_reseed_physical_refusals).
ON_A_DISK_OF_THEIR_OWN = {"disk-space", "settings-differ"}
# Why a flavour cannot be in the state stands beside it in the list.
ONLY = {
    Flavour.MARIADB: {"lower-case-names-differ", "system-versioned", "target-older", "undecided", "series-differs"},
    Flavour.MYSQL: {"duplicate-server-id", "not-mariadb"},
}


def codes_in(modules: tuple[str, ...]) -> Iterator[str]:
    for module in modules:
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
                (code,) = (word.value for word in node.keywords if word.arg == "code")
                yield from (
                    part.value for part in ast.walk(code) if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )


def documented(name: str) -> list[str]:
    """The codes of the table of refusals, as they stand in its first column."""
    text = (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    _, _, after = text.partition("\n| code |")
    table = after.partition("\n\n")[0].splitlines()[2:]
    return [code for line in table for code in re.findall(r"`([a-z0-9-]+)`", line.split("|")[1])]


def tried(name: str, flavour: Flavour) -> set[str]:
    if name == "reseed":
        states = (*test_reseed_refusals.STATES, *test_reseed_refusals_of_tables.STATES)
        return {code for state in states for code in state.codes.get(flavour, ())}
    return {code for state in test_repair_refusals.STATES for code in state.codes.get(flavour, ())}


@pytest.mark.parametrize(("name", "modules"), [("reseed", RESEED), ("repair", REPAIR)])
def test_each_is_tried(name: str, modules: tuple[str, ...]) -> None:
    mariadb, mysql = tried(name, Flavour.MARIADB), tried(name, Flavour.MYSQL)
    assert set(codes_in(modules)) - NO_STATE_KNOWN <= mariadb | mysql
    assert mariadb - mysql <= ONLY[Flavour.MARIADB]
    assert mysql - mariadb <= ONLY[Flavour.MYSQL]


def test_each_of_a_donor_is_tried() -> None:
    found = {code for code, _ in test_reseed_from.STATES} | tried("reseed", Flavour.MARIADB)  # those of both ends
    assert set(codes_in((DONOR,))) <= found


def test_each_of_a_copy_of_files_is_tried() -> None:
    found = {code for code, _ in test_reseed_physical_refusals.STATES}
    found |= tried("reseed", Flavour.MARIADB) | tried("reseed", Flavour.MYSQL)
    assert set(codes_in(("reseed/host_preconditions.py",))) - ON_A_DISK_OF_THEIR_OWN <= found


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_stands_in_the_docs(name: str) -> None:
    codes = set(codes_in(DOCUMENTED[name])) - NOT_THERE[name] | ALSO[name]
    assert set(documented(name)) == codes

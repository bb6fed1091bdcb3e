"""The demo tells its story on real servers of both flavours, leaves nothing behind, and fails when any step is sabotaged."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from repwatch.model.server import Flavour
from repwatch.sandbox.demo import acts, mischief
from repwatch.sandbox.demo.narrator import Narrator
from repwatch.sandbox.demo.story import Showing, play
from tests.demo.sabotaged import FAULTS

SABOTAGED = Path(__file__).with_name("sabotaged.py")
ROWS = 140_000
# The act in which each fault has to come to light.
NOTICED = {
    "slack-swallowed": "halt",
    "mail-swallowed": "halt",
    "mail-late": "halt",
    "mail-doubled": "halt",
    "transaction-hidden": "halt",
    "warning-hidden": "halt",
    "slack-resolution-swallowed": "resolved",
    "mail-resolution-swallowed": "resolved",
    "row-ignored": "drift",
    "row-invented": "drift",
    "column-misnamed": "drift",
    "called-identical": "drift",
    "repair-incomplete": "repair",
    "reseed-incomplete": "reseed",
    "status-lies": "halt",
    "page-empty": "healthy",
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice may take longer on a machine that runs other tests beside this one."""
    monkeypatch.setattr(acts, "NOTICE_SECONDS", 30.0)  # less than what a sabotaged one dawdles
    monkeypatch.setattr(mischief, "HALT_SECONDS", 120.0)


def tell(showing: Showing) -> tuple[int, str]:
    """Exit status and what was said."""
    said = io.StringIO()
    status = play(showing, Narrator(Console(file=said, width=200, soft_wrap=True)))
    return status, said.getvalue()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("flavour", list(Flavour), ids=str)
def test_the_story_holds(flavour: Flavour, tmp_path: Path) -> None:
    status, said = tell(Showing(flavour=flavour, folder=tmp_path))
    assert status == 0, said
    assert {"drift.json", "drift.html"} <= {path.name for path in tmp_path.iterdir()}


def test_every_fault_has_its_act() -> None:
    assert NOTICED.keys() == FAULTS.keys()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_story_fails_when_a_step_is_sabotaged(fault: str, tmp_path: Path) -> None:
    command = (sys.executable, str(SABOTAGED), fault)
    status, said = tell(Showing(flavour=Flavour.MARIADB, folder=tmp_path, rows=ROWS, command=command))
    assert status == 1, said
    assert f"FAILED at {NOTICED[fault]}:" in said

"""Each finding has a page, and each page belongs to a finding."""

from pathlib import Path

import pytest

from repwatch.health.rules import RULES
from repwatch.model.finding import FindingCode

PAGES = Path(__file__).parents[2] / "docs" / "findings"
HEADINGS = ["What it means", "How it is detected", "What to do", "What not to do"]


@pytest.mark.parametrize("code", list(FindingCode))
def test_each_finding_has_a_page(code: FindingCode) -> None:
    assert (PAGES / f"{code.value}.md").is_file()


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_each_page_is_of_a_finding_and_has_the_four_headings(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {FindingCode(page.stem).value}"
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS


def test_each_code_has_one_rule() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))

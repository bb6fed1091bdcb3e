"""`repwatch explain CODE` shows the page of the finding, which a wheel brings along."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from repwatch.adapters.finding_pages import finding_page
from repwatch.cli.explain import explain
from repwatch.errors import UsageError
from repwatch.model.finding import FindingCode

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "repwatch" / "schemas" / "explain.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("code", list(FindingCode))
def test_each_code_has_its_page(code: FindingCode) -> None:
    page = (ROOT / "docs" / "findings" / f"{code}.md").read_text(encoding="utf-8")
    assert finding_page(code) == page
    shown = CliRunner().invoke(explain, [code.value])
    assert shown.output.strip() == page.strip()


def test_as_json() -> None:
    shown = json.loads(CliRunner().invoke(explain, ["lagging", "--format", "json"]).output)
    jsonschema.Draft202012Validator(SCHEMA).validate(shown)
    assert (shown["kind"], shown["code"], shown["page"]) == ("finding", "lagging", finding_page(FindingCode.LAGGING))


def test_a_file_of_that_name_is_read_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lagging").write_text("Error 1062: Duplicate entry '7' for key 'PRIMARY'", encoding="utf-8")
    assert "applier-error" in CliRunner().invoke(explain, ["lagging"]).output


@pytest.mark.parametrize("number", ["1755", "1778", "3100", "13118", "MY-013117"])
def test_a_number_without_an_entry_is_named_once(number: str) -> None:
    shown = CliRunner().invoke(explain, [number])
    assert isinstance(shown.exception, UsageError)
    assert str(shown.exception).count(number.removeprefix("MY-0")) == 1
    assert shown.stdout == ""


@pytest.mark.parametrize("path", ["/no/such.log", "./1062.txt", "error1062.log", "replica.status"])
def test_a_file_that_does_not_exist_is_no_text(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(explain, [path])
    assert isinstance(shown.exception, UsageError)
    assert path in str(shown.exception)


def test_a_wheel_has_all_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        pages = {Path(name).stem for name in content.namelist() if name.startswith("repwatch/findings/")}
    assert pages == {code.value for code in FindingCode}

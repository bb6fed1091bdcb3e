"""The dashboard is what its generator writes, its queries are PromQL, and every metric it asks for exists."""

import importlib.util
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import promql_parser
import pytest

from repwatch.model.view import Health, View
from repwatch.web.metrics import exposition

FOLDER = Path(__file__).parents[2] / "dashboards"
DASHBOARD = json.loads((FOLDER / "repwatch.json").read_text())
QUERIES = [target["expr"].replace("$cluster", ".*") for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_file_is_what_the_generator_writes() -> None:
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (FOLDER / "repwatch.json").read_text() == module.rendered()


@pytest.mark.parametrize("query", QUERIES)
def test_queries_parse_and_ask_only_for_metrics_that_exist(query: str) -> None:
    promql_parser.parse(query)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    text = exposition(lambda: View(as_of=now, state="ok"), lambda: Health(started=now)).decode()  # type: ignore[arg-type]
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert set(re.findall(r"repwatch_[a-z_]+(?=\{| |\)|$)", query)) <= known


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells

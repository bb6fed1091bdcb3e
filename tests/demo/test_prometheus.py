"""Debian's Prometheus scrapes a running repwatch, and every query of the dashboard is answered with data."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox.demo.stage import Stage, wait
from repwatch.sandbox.ports import ReservedPort

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "dashboards" / "repwatch.json").read_text())
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: repwatch
    static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes a demo with a halted replica, whose tables are to be proved."""
    program = subprocess.run([ROOT / "scripts" / "fetch-prometheus"], capture_output=True, text=True, check=True).stdout.strip()
    port = ReservedPort()
    with Stage(Flavour.MARIADB, tmp_path, rows=1000) as stage:
        stage.load()
        with stage.config.open("a", encoding="utf-8") as file:
            file.write('\n[clusters.shop.drift]\nprove_within = "7d"\n')
        stage.start_service()
        stage.box.replicas[0].sql("STOP SLAVE SQL_THREAD")
        config = tmp_path / "prometheus.yml"
        config.write_text(CONFIG.format(target=stage.url.removeprefix("http://").rstrip("/")))
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
        command += [f"--web.listen-address=127.0.0.1:{port.number}"]
        with (tmp_path / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            yield f"http://127.0.0.1:{port.number}"
            process.terminate()
    port.release()
    shutil.rmtree(tmp_path / "tsdb", ignore_errors=True)


def answers(url: str, expression: str) -> list[object]:
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=60) as answer:
            found: list[object] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []


@pytest.mark.long
def test_every_query_of_the_dashboard_is_answered_with_data(prometheus: str) -> None:
    assert wait(lambda: bool(answers(prometheus, 'repwatch_finding{code="applier-stopped"}')), 120) is not None
    # Every minute it is seen what has to be proved; a replica that is halted takes a minute to be given up.
    assert wait(lambda: bool(answers(prometheus, "repwatch_last_proved_seconds")), 240) is not None
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$cluster", ".*")
            assert wait(lambda expression=expression: bool(answers(prometheus, expression)), 60) is not None, panel["title"]  # type: ignore[misc]

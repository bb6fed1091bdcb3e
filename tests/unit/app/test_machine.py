"""What `doctor` says of the configuration itself."""

from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.app.config import load_config
from repwatch.app.machine import check_machine
from repwatch.health.checkup import Level, Topic

CONFIG = """
[clusters.shop]
source = "db1"
[clusters.shop.servers.db1]
url = "mysql://w@127.0.0.1:1"
[receivers.oncall]
webhook = { url = "http://127.0.0.1:1/" }
match = ["PATTERN"]
"""


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("shop", False),
        ("sh*", False),
        ("shop/db1", False),
        ("shop/127.0.0.1:1/lag*", False),
        ("*/*/*", False),
        ("shpo", True),
        ("shop/db2", True),
        ("shop/db1/laging", True),
    ],
)
def test_a_receiver_that_waits_for_what_is_not_there_is_told_of(tmp_path: Path, pattern: str, problem: bool) -> None:
    path = tmp_path / "repwatch.toml"
    path.write_text(CONFIG.replace("PATTERN", pattern))
    remarks = check_machine(load_config(path), SystemClock())
    told = [each for each in remarks if each.topic is Topic.RECEIVER and pattern in each.text]
    assert [each.level for each in told] == ([Level.PROBLEM] if problem else [])


@pytest.mark.parametrize(
    ("others", "alone"),
    [
        ("", ["oncall/webhook"]),
        ('[receivers.team]\nwebhook = { url = "http://127.0.0.1:1/" }\nmatch = ["shop"]\n', ["oncall/webhook", "team/webhook"]),
        ('[receivers.team]\nwebhook = { url = "http://127.0.0.1:1/" }\n', ["team/webhook"]),
    ],
)
def test_a_receiver_whose_failure_nobody_is_told_of_is_named(tmp_path: Path, others: str, alone: list[str]) -> None:
    path = tmp_path / "repwatch.toml"
    path.write_text(CONFIG.replace("PATTERN", "shop") + others)
    remarks = check_machine(load_config(path), SystemClock())
    noted = [remark.text for remark in remarks if remark.topic is Topic.RECEIVER and remark.level is Level.NOTE]
    assert [next(name for name in ("oncall/webhook", "team/webhook") if name in text) for text in noted] == alone

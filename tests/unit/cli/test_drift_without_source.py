"""A check that cannot reach the source still prints its report: scripts read it in each case."""

import json
import subprocess
import sys
from pathlib import Path

from repwatch.sandbox.ports import ReservedPort


def test_the_report_is_printed_and_the_message_too(tmp_path: Path) -> None:
    port = ReservedPort()
    nobody = f"mysql://somebody:not-shown@127.0.0.1:{port.number}"
    command = [
        sys.executable,
        "-m",
        "repwatch",
        "drift",
        "--source",
        nobody,
        "--replica",
        "mysql://somebody:not-shown@127.0.0.1:9",
    ]
    done = subprocess.run(
        [*command, "--format", "json", "--state", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    port.release()
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (2, "undecided")
    assert [(each["verdict"], each["reason"]) for each in report["replicas"]] == [("undecided", "unreachable")]
    assert f"127.0.0.1:{port.number}" in done.stderr
    assert "not-shown" not in done.stdout + done.stderr

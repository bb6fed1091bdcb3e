"""`repwatch explain` over what real servers say and log: the findings that the service makes of them, without their secrets."""

import json
import subprocess
import sys

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.replication import show_channels
from tests.server.diagnosing import locally, watching, words


def explained(text: str) -> dict[str, object]:
    """What the command prints of this text."""
    command = [sys.executable, "-m", "repwatch", "explain", "--format", "json"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, object] = json.loads(done.stdout)
    return found


def codes(found: dict[str, object]) -> list[tuple[str, str]]:
    """(code, class of error) of all findings."""
    return [(f["code"], f["evidence"].get("error_class", "")) for each in found["channels"] for f in each["findings"]]  # type: ignore[attr-defined]


def printed(server: SandboxServer) -> str:
    """Its status as a client prints it with \\G."""
    with server.connect() as session:
        rows = session.texts(show_channels(session.version))
    lines = [f"{name:>30}: {'NULL' if value is None else value}" for row in rows for name, value in row.items()]
    return "*************************** 1. row ***************************\n" + "\n".join(lines) + "\n"


def test_a_broken_replica_is_explained_as_the_service_finds_it(fresh_star: Sandbox, flavour: Flavour) -> None:
    box, (replica, other) = fresh_star, fresh_star.replicas
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    box.wait_caught_up(60)
    locally(replica, "INSERT INTO w.t VALUES (7)")
    box.source.sql("INSERT INTO w.t VALUES (7)")
    other.sql(f"STOP {words(flavour)} IO_THREAD")
    with watching(box) as watcher:
        watcher.expect(("replica1", "applier-error"), ("replica2", "receiver-stopped"))
    status = explained(printed(replica))
    assert codes(status) == [("applier-error", "duplicate-key")]
    assert codes(explained(printed(other))) == [("receiver-stopped", "")]
    log = explained(replica.log_file.read_text(encoding="utf-8", errors="replace"))
    assert codes(log) == [("applier-error", "duplicate-key")]
    assert {each["flavour"] for found in (status, log) for each in found["channels"]} == {flavour.value}  # type: ignore[attr-defined]

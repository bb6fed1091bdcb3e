"""The service's drift checks as a person meets them: interrupted by `kill -9` and taken up, paused, let go on, stopped."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from repwatch.adapters.check_control import tell
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.app.drift_desk import DriftDesk
from repwatch.app.drift_job import drift_runner
from repwatch.app.suspect_job import suspect_checker
from repwatch.drift.control import Word
from repwatch.drift.overview import RunOutcome
from repwatch.flows.suspects import Suspects
from repwatch.model.topology import DriftSpec
from repwatch.ports.checks import ReportForm
from repwatch.render.times import rfc3339
from repwatch.sandbox import Sandbox
from tests.server.drifting import drift_on, fill
from tests.server.watching import PATIENT, Service, until

TABLES = 8
ROWS = 6_000

# Begins the check of everything as the service does, whose next scheduled time is far away. It stops in its tracks, to be
# killed in the middle, when it has kept more than the second pieces of all tables: only what has no gap before it counts when
# it is taken up.
BEGIN = f"""
import os, signal, sys
from pathlib import Path
from repwatch.adapters.check_journal import FileCheckJournal
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.app.drift_job import drift_runner
from repwatch.app.suspect_job import suspect_checker
from repwatch.app.targets import load_settings
append, kept = FileCheckJournal.append, []
def keep(journal, record):
    append(journal, record)
    kept.append(record)
    if len(kept) > {TABLES}:
        os.kill(os.getpid(), signal.SIGSTOP)
FileCheckJournal.append = keep
settings = load_settings(Path(sys.argv[1]), None, (), None)
store = SqlStore.open(settings.store_url)
drift_runner(settings.clusters[0], store, settings.state_dir, SystemClock()).run()
"""


@pytest.fixture
def service(star: Sandbox, schema: str, tmp_path: Path) -> Iterator[Service]:
    """A service whose check of everything takes long, as it may use little of the source's time."""
    for number in range(TABLES):
        star.source.sql(f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY, v INT)")
        fill(star.source, f"{schema}.t{number}", [f"({key}, 0)" for key in range(ROWS)], ROWS)
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"UPDATE {schema}.t0 SET v = 1 WHERE id = 7")
    made = Service(star, tmp_path)
    drift = '\n[clusters.shop.drift]\nschedule = "0 0 29 2 *"\nload = 4\n'
    made.config.write_text(made.config.read_text(encoding="utf-8") + drift, encoding="utf-8")
    yield made
    made.close()


def cluster_of(service: Service) -> dict[str, Any]:
    code, text = service.get("api/checks")
    assert code == 200
    found: dict[str, Any] = json.loads(text)["clusters"][0]
    return found


def running(service: Service) -> dict[str, Any]:
    """The check that runs, {} if none does."""
    return cluster_of(service)["running"] or {}


def pieces(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (folder / "drift").glob("*.jsonl"))


def test_a_check_is_taken_up_and_obeys(star: Sandbox, schema: str, service: Service, tmp_path: Path) -> None:
    begun = subprocess.Popen([sys.executable, "-c", BEGIN, str(service.config)])
    until(lambda: begun.poll() is not None or pieces(tmp_path) > TABLES, "some pieces are judged")
    assert tell(tmp_path / "drift", "shop", Word.PAUSE) == 1, "it ended before it could be interrupted"
    begun.kill()
    begun.wait()
    service.start()
    until(lambda: running(service).get("paused") is True, "it is taken up, and stays paused")
    assert service.stop()[0] == 0
    service.start()
    until(lambda: running(service).get("paused") is True, "an end in order changes nothing in that")
    assert service.post("checks/shop/resume")[0] == 200
    until(lambda: not running(service), "it has ended", 400)
    (done,) = cluster_of(service)["checks"][:1]
    assert (done["outcome"], done["whole"], done["differences"]) == ("drifted", True, 1)
    assert pieces(tmp_path) == 0
    report = json.loads(service.get(done["report"].lstrip("/"))[1])
    for replica in report["replicas"]:
        tables = {table["table"]: table for table in replica["tables"]}
        wrong = replica["server"] == str(star.replicas[1].address)
        assert {name for name, table in tables.items() if table["verdict"] != "identical"} == ({"t0"} if wrong else set())
        assert all(table["rows"] == ROWS for table in tables.values())
        assert any("read_since" in table for table in tables.values())
    page = service.get(done["report"].replace(".json", ".html").lstrip("/"))[1]
    assert f"{schema}.t0" in page


def test_after_a_stop_nothing_begins_by_itself(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    config = tmp_path / "repwatch.toml"
    config.write_text(star.configuration(), encoding="utf-8")
    store = SqlStore.open(f"sqlite:///{tmp_path}/repwatch.db")
    cluster = replace(star.cluster(), drift=DriftSpec(prove_within=timedelta(days=7)))
    runner = drift_runner(cluster, store, tmp_path, SystemClock())
    suspects = {"shop": suspect_checker(runner, Suspects(store, "shop"), tmp_path, SystemClock())}
    desk = DriftDesk(runners=[runner], suspects=suspects, ledger=store, state_dir=tmp_path, clock=SystemClock())

    def paused() -> bool:
        desk.tell("shop", Word.PAUSE)
        check = desk.overviews()[0].running
        return check is not None and check.is_paused

    # Nothing moves while another transaction may still commit: the check cannot end before it is paused.
    with ThreadPoolExecutor() as pool, star.replicas[0].connect() as replica:
        replica.execute("FLUSH TABLES WITH READ LOCK")
        star.source.sql(f"INSERT INTO {schema}.t VALUES (1)")
        done = pool.submit(runner.prove)
        until(paused, "it is paused")
        command = [sys.executable, "-m", "repwatch", "drift", "stop", "shop", "--config", str(config)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        done.result(PATIENT)  # before the replica may go on: else all is proved before it is stopped
        replica.execute("UNLOCK TABLES")
    star.wait_caught_up(60)
    assert said.returncode == 0, said.stderr
    (run,) = store.drift_runs("shop")
    assert run.outcome is RunOutcome.UNDECIDED
    assert desk.report(run.number, ReportForm.HTML)
    runner.prove()
    assert store.drift_runs("shop") == (run,)
    runner.run()
    assert [each.outcome for each in store.drift_runs("shop")] == [RunOutcome.IDENTICAL, RunOutcome.UNDECIDED]
    store.close()


def test_a_check_by_hand_says_when_a_drifted_table_was_last_proved(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    config = tmp_path / "repwatch.toml"
    config.write_text(star.configuration(), encoding="utf-8")
    store = SqlStore.open(f"sqlite:///{tmp_path}/repwatch.db")
    drift_runner(star.cluster(), store, tmp_path, SystemClock()).run()
    proved = next(proof.proved for proof in store.proofs("shop") if proof.server == str(star.replicas[1].address))
    assert proved is not None
    drift_on(star.replicas[1], f"DELETE FROM {schema}.t WHERE id = 2")
    command = [sys.executable, "-m", "repwatch", "drift", "shop", "--format", "json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    store.close()
    assert done.returncode == 1, done.stderr
    found = {replica["server"]: replica["tables"][0].get("last_proved") for replica in json.loads(done.stdout)["replicas"]}
    assert found == {str(star.replicas[0].address): None, str(star.replicas[1].address): rfc3339(proved)}

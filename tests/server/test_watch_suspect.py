"""`repwatch run` and a skipped transaction: suspect, checked by itself, drifted, repaired, checked again, clear."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.conftest import start as start_star
from tests.server.watching import Service, body, until

LONG = 240.0


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A star for this module."""
    with start_star(flavour) as sandbox:
        sandbox.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)", "CREATE TABLE w.u (id INT PRIMARY KEY)")
        sandbox.wait_caught_up(60)
        yield sandbox


@pytest.fixture
def service(box: Sandbox, tmp_path: Path) -> Iterator[Service]:
    """A service without any schedule of checks."""
    running = Service(box, tmp_path)
    running.start()
    until(running.healthy, "everything is healthy", LONG)
    yield running
    running.close()


def found(service: Service) -> set[tuple[str, str]]:
    """(server's name, code) of all that is shown now."""
    text = service.api()
    clusters = body(text)["clusters"] if text else []
    assert isinstance(clusters, list)
    return {(s["name"], f["code"]) for cluster in clusters for s in cluster["servers"] for f in s["findings"]}


def skip(box: Sandbox, statement: str) -> None:
    """The first replica leaves out what the source does with this statement."""
    replica = box.replicas[0]
    if box.flavour is Flavour.MARIADB:
        replica.sql("STOP SLAVE")
        box.source.sql(statement)
        replica.sql("SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE")
        return
    replica.sql("STOP REPLICA")
    before = box.source.sql("SELECT @@GLOBAL.gtid_executed")[0][0]
    box.source.sql(statement)
    gtid = box.source.sql(f"SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{before}')")[0][0]
    empty = (f"SET GTID_NEXT = '{gtid}'", "BEGIN", "COMMIT", "SET GTID_NEXT = 'AUTOMATIC'")
    replica.sql(*empty, "START REPLICA")


def test_an_applier_error_has_its_table_checked_when_it_runs_again(box: Sandbox, service: Service) -> None:
    replica = box.replicas[0]
    replica.sql("SET SESSION sql_log_bin = 0", "INSERT INTO w.u VALUES (7)")
    box.source.sql("INSERT INTO w.u VALUES (7)")
    until(lambda: {("replica1", "applier-error"), ("replica1", "suspect-data")} <= found(service), "both are shown", LONG)
    assert "suspect.started" not in service.log
    start = "START SLAVE" if box.flavour is Flavour.MARIADB else "START REPLICA"
    replica.sql("SET SESSION sql_log_bin = 0", "DELETE FROM w.u WHERE id = 7", start)
    until(service.healthy, "the check of that table has cleared it", LONG)
    assert "channel= tables=w.u" in service.log


def test_a_skip_is_suspect_until_its_data_is_proved(box: Sandbox, service: Service) -> None:
    replica = box.replicas[0]
    skip(box, "INSERT INTO w.t VALUES (1)")
    suspect = ("replica1", "suspect-data")
    drifted = ("replica1", "drifted")
    until(lambda: suspect in found(service), "the data is suspect", LONG)
    until(lambda: drifted in found(service), "a check that nobody ordered has found the drift", LONG)
    # Together in one look; of one that a busy machine has kept from the server nothing is shown.
    all_of_them = {suspect, drifted, ("replica1", "skipped-transactions")}
    until(lambda: all_of_them <= found(service), "it does not clear the suspicion", LONG)
    service.kill()
    service.start()
    until(lambda: {suspect, ("replica1", "drifted")} <= found(service), "the restart has forgotten nothing", LONG)
    replica.sql("SET SESSION sql_log_bin = 0", "INSERT INTO w.t VALUES (1)")
    until(service.healthy, "the next check has cleared it all", LONG)
    assert "Traceback" not in service.log

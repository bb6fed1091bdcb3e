"""`repwatch run` that may restart threads: what passes by itself wakes nobody; what does not is told, with what was tried."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.flows.turn import take_turn
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.diagnosing import words
from tests.server.restarting import lock_wait, one_replica, row_held, shown, starts, until_applier_stops
from tests.server.watching import Service, body, collide, mend, told, until

# Nobody is woken for so long, and who has the turn is waited for as long: on a machine that stands still for a while all the
# same, what passes by itself would else be told of.
PATIENT = """
from datetime import timedelta
from repwatch.flows import turn
from repwatch.health import notice
notice.RESTART_PATIENCE = timedelta(minutes=10)
turn.take_turn.__defaults__ = (120.0,)
"""


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with one replica, for this module."""
    with one_replica(flavour) as made:
        yield made


@pytest.fixture
def replica(box: Sandbox) -> SandboxServer:
    return box.replicas[0]


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    with WebhookCatcher() as catcher:
        yield catcher


@pytest.fixture
def service(box: Sandbox, tmp_path: Path, hook: WebhookCatcher) -> Iterator[Service]:
    """A service that may; it is not running yet."""
    made = Service(box, tmp_path, hook)
    made.program = PATIENT + made.program
    head = "[clusters.shop]\n"
    made.config.write_text(made.config.read_text().replace(head, f"{head}restart_transient = true\n"), encoding="utf-8")
    yield made
    made.close()
    assert "Traceback" not in made.log


def begin(service: Service) -> None:
    service.start()
    until(service.healthy, "everything is healthy")


def evidence(service: Service, code: str) -> dict[str, str]:
    """Of what is shown of the replica under that code, {} if it is not."""
    text = service.api()
    clusters = body(text)["clusters"] if text else []
    assert isinstance(clusters, list)
    found = [f["evidence"] for cluster in clusters for s in cluster["servers"] for f in s["findings"] if f["code"] == code]
    return dict(found[0]) if found else {}


def history(service: Service) -> list[dict[str, Any]]:
    """All incidents of the last day."""
    options = ["--days", "1", "--format", "json", "--config", str(service.config)]
    done = subprocess.run([sys.executable, "-m", "repwatch", "incidents", *options], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["incidents"]
    assert isinstance(found, list)
    return list(found)


def test_what_helps_wakes_nobody_and_is_found_afterwards(
    box: Sandbox, replica: SandboxServer, service: Service, hook: WebhookCatcher
) -> None:
    lock_wait(box, replica, 1)
    before = starts(replica)
    begin(service)
    with replica.connect(Account.OPERATOR) as other:
        assert take_turn(other, SystemClock(), 60)  # the service has to wait until the row is free
        with row_held(box, replica):
            until_applier_stops(replica, 1205)
    until(lambda: "restart.started" in service.log, "it has been started again")
    box.wait_caught_up(60)
    until(service.healthy, "everything is healthy again")
    until(lambda: all(each["resolved"] for each in history(service)), "all incidents are over")
    assert starts(replica) == before + 1
    assert [(event, code) for event, code, _ in told(hook) if code == "applier-error"] == []
    over = [each for each in history(service) if each["code"] == "applier-error"]
    assert [each["evidence"]["restarted"] for each in over] == ["1 of 3"]
    assert all("restarted by repwatch, 1 of 3" in str(each["summary"]) for each in over)
    samples = [line for line in service.get("metrics")[1].splitlines() if line.startswith("repwatch_thread_restarts_total")]
    assert sorted(float(line.rpartition(" ")[2]) for line in samples) == [0.0, 1.0]


def test_what_does_not_help_is_tried_once_and_told(
    box: Sandbox, replica: SandboxServer, service: Service, hook: WebhookCatcher
) -> None:
    lock_wait(box, replica, 1)
    before = starts(replica)
    begin(service)
    with row_held(box, replica):
        until(lambda: ("opened", "applier-error", "replica1") in told(hook), "it has been told")
        until(lambda: evidence(service, "applier-error").get("restart") == "same-transaction", "the reason is shown")
        until_applier_stops(replica, 1205)
        assert starts(replica) == before + 1
        opened = next(str(post.body) for post in hook.posts if post.json["code"] == "applier-error")
        assert "1 of 3" in opened
        service.kill()
        begin_again(service)
        until(lambda: evidence(service, "applier-error").get("restart") == "person", "a new service has nothing to go by")
        assert starts(replica) == before + 1
    replica.sql(f"START {words(box.flavour)}")
    until(service.healthy, "everything is healthy again")


def begin_again(service: Service) -> None:
    service.start()
    until(lambda: bool(service.api()), "it has looked")


def left_to_people(service: Service, replica: SandboxServer, code: str, before: int) -> None:
    """It is not started again, and shown to be stopped by a person; then that person starts it."""
    assert evidence(service, code)["restart"] == "person"
    assert "restart.intended" not in service.log
    assert starts(replica) == before
    replica.sql(f"START {words(replica.flavour)}")
    until(service.healthy, "everything is healthy again")


def test_what_a_person_stops_stays_stopped(box: Sandbox, replica: SandboxServer, service: Service, hook: WebhookCatcher) -> None:
    """Stopped while it waits for a row, an applier ends with error 1205: nobody but the STOP is to blame for it."""
    lock_wait(box, replica, 20)  # a STOP waits for its end; on a machine that stands still it might else come before the STOP
    before = starts(replica)
    begin(service)
    with row_held(box, replica):
        replica.sql(f"STOP {words(box.flavour)} SQL_THREAD")
        until(lambda: shown(replica)["applier"] == "No", "the applier has stopped")
        until(lambda: ("opened", "applier-error", "replica1") in told(hook), f"it is told of: {told(hook)}, {shown(replica)}")
    left_to_people(service, replica, "applier-error", before)


def test_a_receiver_that_a_person_stops_while_its_source_is_away_stays_stopped(
    box: Sandbox, replica: SandboxServer, service: Service, hook: WebhookCatcher
) -> None:
    """Both flavours leave the receiver's error of its last attempt."""
    begin(service)
    before = starts(replica)
    box.source.kill()
    until(lambda: shown(replica)["receiver_errno"] not in ("", "0"), "the receiver has an error")
    until(lambda: bool(evidence(service, "receiver-retrying")), "it has been seen to try")
    replica.sql(f"STOP {words(box.flavour)} IO_THREAD")
    box.source.start()
    until(lambda: ("opened", "receiver-error", "replica1") in told(hook), "it is told of")
    left_to_people(service, replica, "receiver-error", before)


def test_an_error_of_the_data_is_left_to_people(
    box: Sandbox, replica: SandboxServer, service: Service, hook: WebhookCatcher
) -> None:
    begin(service)
    box.source.sql("CREATE TABLE IF NOT EXISTS w.u (id INT PRIMARY KEY)")
    box.source.sql("DROP TABLE w.t", "ALTER TABLE w.u RENAME w.t")
    box.wait_caught_up(60)
    before = starts(replica)
    collide(box, replica, "w", 7)
    until(lambda: ("opened", "applier-error", "replica1") in told(hook), "it is told of")
    assert "restart" not in evidence(service, "applier-error")
    assert starts(replica) == before
    assert "restart.intended" not in service.log
    mend(replica, "w", 7)

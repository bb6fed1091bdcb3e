"""`ack`, `silence` and `incidents` beside a service on real servers: obeyed with its next look."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_slack import SlackPost, SlackStandIn
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.diagnosing import words
from tests.server.watching import PATIENT, Service, body, collide, mend, told, until


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    """Writes down what it is told."""
    with WebhookCatcher() as catcher:
        yield catcher


@pytest.fixture
def service(fresh_star: Sandbox, tmp_path: Path, hook: WebhookCatcher) -> Iterator[Service]:
    """A service on a star of its own, with all well."""
    fresh_star.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    fresh_star.wait_caught_up(PATIENT)
    made = Service(fresh_star, tmp_path, hook)
    made.start()
    until(made.healthy, "everything is healthy")
    yield made
    made.close()


def run(service: Service, *words: str) -> str:
    """What a verb prints; it has to succeed."""
    command = [sys.executable, "-m", "repwatch", words[0], "--config", str(service.config), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(service: Service) -> dict[str, dict[str, object]]:
    """The findings of the status by their code."""
    status = body(service.status("--format", "json")[1])
    jsonschema.validate(status, json.loads((files("repwatch") / "schemas" / "status.schema.json").read_text(encoding="utf-8")))
    clusters: list[dict[str, list[dict[str, list[dict[str, object]]]]]] = status["clusters"]  # type: ignore[assignment]
    return {str(f["code"]): f for cluster in clusters for server in cluster["servers"] for f in server["findings"]}


def heard(hook: WebhookCatcher) -> list[tuple[str, str, str]]:
    """What was told, without the suspicion that a duplicate key leaves behind."""
    return [notice for notice in told(hook) if notice[1] != "suspect-data"]


def test_people_are_obeyed(fresh_star: Sandbox, flavour: Flavour, service: Service, hook: WebhookCatcher) -> None:
    box, (one, two) = fresh_star, fresh_star.replicas
    cluster = box.cluster().name
    collide(box, one, "w", 1)
    until(lambda: len(heard(hook)) == 1, "it is told")
    listed = json.loads(run(service, "incidents", "--format", "json"))["incidents"]
    (incident,) = (each for each in listed if each["code"] == "applier-error")
    note = next(post.json for post in hook.posts if post.json["code"] == "applier-error")
    assert (incident["key"], incident["name"]) == (note["key"], "replica1")
    run(service, "ack", incident["key"], "--author", "ann")
    until(lambda: heard(hook)[1:] == [("acknowledged", "applier-error", "replica1")], "it is told who has it")
    until(lambda: shown(service).get("applier-error", {}).get("acknowledged_by") == "ann", "the status says who has it")

    run(service, "silence", f"{cluster}/replica2", "--for", "1h", "--reason", "new disks", "--author", "bob")
    two.sql(f"STOP {words(flavour)} SQL_THREAD")
    until(lambda: "applier-stopped" in run(service, "incidents"), "the incident is open")
    until(lambda: "silenced_until" in shown(service).get("applier-stopped", {}), "the status says that it is silenced")
    (silence,) = json.loads(run(service, "silence", "--format", "json"))["silences"]
    assert (silence["author"], silence["reason"]) == ("bob", "new disks")
    mend(one, "w", 1)
    until(
        lambda: heard(hook)[2:] == [("resolved", "applier-error", "replica1")], "its end is told, and nothing of the silenced one"
    )
    run(service, "silence", "--remove", str(silence["id"]))
    until(
        lambda: heard(hook)[3:] == [("opened", "applier-stopped", "replica2")], "the silenced one is told when the silence ends"
    )
    assert service.stop()[0] == 0
    assert "Traceback" not in service.log


def about(slack: SlackStandIn, code: str) -> list[SlackPost]:
    """The messages that stand in the channel for that code."""
    return [post for post in slack.roots if code in post.shown]


def test_who_presses_the_button_in_slack_has_it(fresh_star: Sandbox, tmp_path: Path) -> None:
    with SlackStandIn(app_token="xapp-stand-in") as slack:
        service = Service(fresh_star, tmp_path)
        tokens = 'token = { command = ["echo", "xoxb-stand-in"] }, app_token = { command = ["echo", "xapp-stand-in"] }'
        receiver = f'[receivers.chat]\nslack = {{ channel = "#db", {tokens}, api_url = "{slack.api_url}" }}\n'
        service.config.write_text(f"{service.config.read_text(encoding='utf-8')}\n{receiver}", encoding="utf-8")
        try:
            service.start()
            until(service.healthy, "everything is healthy")
            fresh_star.replicas[0].sql(f"STOP {words(fresh_star.flavour)} SQL_THREAD")
            until(lambda: bool(about(slack, "applier-stopped")), "it is told")
            assert slack.socket is not None
            assert slack.socket.wait_for_client(PATIENT)
            slack.press(about(slack, "applier-stopped")[0], "ann")
            who = "ann (Slack)"
            until(lambda: shown(service).get("applier-stopped", {}).get("acknowledged_by") == who, "the status says who has it")
            until(lambda: who in about(slack, "applier-stopped")[0].shown, "so does the message")
            assert not any(block["type"] == "actions" for block in about(slack, "applier-stopped")[0].blocks)
            assert service.stop()[0] == 0
        finally:
            service.close()
        assert "Traceback" not in service.log
        assert "xapp" not in service.log

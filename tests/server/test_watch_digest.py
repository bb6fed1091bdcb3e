"""A digest of a real service: at its time, once, though the service was killed before it and after it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.watching import Service, collide, told, until


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    """Writes down what it is told."""
    with WebhookCatcher() as catcher:
        yield catcher


def slots(folder: Path) -> list[tuple[str, str]]:
    """Time and state of what the store has."""
    with closing(sqlite3.connect(f"file:{folder}/repwatch.db?mode=ro", uri=True)) as store:
        return list(store.execute("SELECT slot, state FROM digests ORDER BY seq"))


def test_a_digest_is_neither_lost_nor_doubled(fresh_star: Sandbox, tmp_path: Path, hook: WebhookCatcher) -> None:
    box, replica = fresh_star, fresh_star.replicas[0]
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    box.wait_caught_up(60)
    service = Service(box, tmp_path, hook)
    due = SystemClock().now() - timedelta(minutes=2)
    service.config.write_text(f'{service.config.read_text(encoding="utf-8")}\ndigest = "{due:%H:%M}"\n', encoding="utf-8")
    try:
        service.start()
        until(lambda: len(slots(tmp_path)) == 1, "the receiver is known")
        collide(box, replica, "w", 1)
        until(lambda: ("opened", "applier-error", "replica1") in told(hook), "the incident is told")
        assert digests(hook) == []  # its time of today was before it was known
        service.kill()
        with closing(sqlite3.connect(f"{tmp_path}/repwatch.db")) as store, store:
            store.execute("UPDATE digests SET slot = ?", ((due - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),))
        service.start()
        until(lambda: len(digests(hook)) > 0, "the digest that was missed is told")
        service.kill()
        service.start()
        until(lambda: [state for _, state in slots(tmp_path)] == ["delivered"] * 2, "it is delivered")
        assert service.stop()[0] == 0
    finally:
        service.close()
    assert "Traceback" not in service.log
    assert len({json.dumps(each, sort_keys=True) for each in digests(hook)}) == 1
    digest = digests(hook)[0]
    schema = json.loads((files("repwatch") / "schemas" / "digest.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(digest)
    assert ("applier-error", "replica1", None) in [(i["code"], i["server"], i["resolved"]) for i in digest["incidents"]]


def digests(hook: WebhookCatcher) -> list[dict[str, list[dict[str, object]]]]:
    """Those that arrived."""
    return [dict(post.json) for post in hook.posts if post.json["event"] == "digest"]  # type: ignore[arg-type]

"""250 clusters that go away at once: people get a few messages, machines a notice each. It takes no server, for none answers."""

import json
import math
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from repwatch.health.storm import EVERY, FIRST
from repwatch.sandbox.standins_mail import MailCatcher
from repwatch.sandbox.standins_slack import SlackPost, SlackStandIn
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.watching import PATIENT, told, until

CLUSTERS = 250
NAMES = [f"db{number}" for number in range(CLUSTERS)]


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    """It answers 429 to what is too much for it."""
    with SlackStandIn(limited=True) as server:
        yield server


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    with WebhookCatcher() as server:
        yield server


@pytest.fixture
def mails() -> Iterator[MailCatcher]:
    with MailCatcher() as server:
        yield server


def known_roots(slack: SlackStandIn) -> Collection[SlackPost]:
    """Without one that was sent again: killed before it was recorded, nobody knows of it."""
    return {str(post.metadata["event_payload"]["id"]): post for post in slack.roots}.values()  # type: ignore[index]


def says_what_is_left(post: SlackPost) -> bool:
    """Of one cluster that is still away there may be a message that has nothing to say."""
    return "RESOLVED" in post.shown or "still open" in post.shown or "c000/" in post.shown


class Storm:
    """A service on clusters of which no server answers: a port of loopback at which nobody listens."""

    def __init__(self, folder: Path, slack: SlackStandIn, mails: MailCatcher, hook: WebhookCatcher) -> None:
        self.folder = folder
        self.config = folder / "repwatch.toml"
        self.log = folder / "run.log"
        mail = f'to = ["dba@example.com"], from = "repwatch@example.com", smtp = "smtp://127.0.0.1:{mails.port}"'
        chat = f'channel = "#db", token = {{ command = ["echo", "{slack.token}"] }}, api_url = "{slack.api_url}"'
        machine = f'[receivers.machine]\nwebhook = {{ url = "{hook.url}" }}\n'
        self.receivers = f"[receivers.people]\nslack = {{ {chat} }}\nemail = {{ {mail} }}\n{machine}"
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, clusters: int) -> None:
        lines = [f'[store]\nurl = "sqlite:///s.db"\n[web]\nlisten = "127.0.0.1:0"\n{self.receivers}']
        lines += [
            f'[clusters.c{n:03}]\nsource = "db{n}"\n[clusters.c{n:03}.servers.db{n}]\nurl = "mysql://w:x@127.9.9.{n + 1}:1"\n'
            for n in range(clusters)
        ]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "repwatch", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENT)
            self.process = None

    def rows(self, query: str) -> list[tuple[str, ...]]:
        if not (self.folder / "s.db").exists():
            return []
        with closing(sqlite3.connect(f"file:{self.folder / 's.db'}?mode=ro", uri=True, timeout=30)) as store:
            return store.execute(query).fetchall()

    def delivered(self, receiver: str, event: str) -> int:
        """How many notices of that event are recorded as delivered, of servers that are away.

        On a machine that is very slow it is told as well of clusters that were not looked at for long.
        """
        if not self.rows("SELECT name FROM sqlite_master WHERE name = 'outbox'"):
            return 0
        bodies = self.rows(f"SELECT body FROM outbox WHERE receiver = '{receiver}' AND state = 'delivered'")
        notices = [json.loads(body) for (body,) in bodies]
        wanted = (event, "server-unreachable")
        return sum((notice["event"], notice.get("subject", {}).get("code")) == wanted for notice in notices)


@pytest.fixture
def storm(tmp_path: Path, slack: SlackStandIn, mails: MailCatcher, hook: WebhookCatcher) -> Iterator[Storm]:
    made = Storm(tmp_path, slack, mails, hook)
    yield made
    made.kill()


@pytest.mark.long
def test_a_storm_is_a_few_messages_for_people_whatever_happens(
    storm: Storm, slack: SlackStandIn, mails: MailCatcher, hook: WebhookCatcher
) -> None:
    begun = time.monotonic()

    def later() -> int:
        """Messages that may have come because it storms for longer, on a machine that is slow."""
        return math.ceil((time.monotonic() - begun) / EVERY)

    storm.configure(CLUSTERS)
    storm.start()
    until(lambda: len(slack.roots) > FIRST, "the first bundle has come", 2 * PATIENT)
    storm.kill()  # perhaps before it is recorded
    storm.start()
    for receiver in ("people/slack", "people/email", "machine/webhook"):
        until(lambda to=receiver: storm.delivered(to, "opened") == CLUSTERS, f"{receiver} has all", 3 * PATIENT)  # type: ignore[misc]
    storm.kill()
    ids = Counter(str(post.metadata["event_payload"]["id"]) for post in slack.roots)  # type: ignore[index]
    assert max(ids.values()) <= 2, "no more than one message is sent again after a kill"
    assert len(ids) <= 2 * (FIRST + 1) + later()
    assert len({mail.message["Message-ID"] for mail in mails.mails}) <= 2 * (FIRST + 1) + later()
    assert len(told(hook, NAMES)) == CLUSTERS

    storm.configure(1)
    storm.start()
    for receiver in ("people/slack", "people/email", "machine/webhook"):
        until(lambda to=receiver: storm.delivered(to, "resolved") == CLUSTERS - 1, f"{receiver} knows", 3 * PATIENT)  # type: ignore[misc]
    until(
        lambda: all(map(says_what_is_left, known_roots(slack))),
        "each message says that it is over, or what is still open",
        3 * PATIENT,
    )
    assert len({post.ts for post in slack.posts}) <= 10 * FIRST + later()
    assert sum(post.edits for post in slack.roots) <= 10 * FIRST + later() * len(slack.roots)
    assert len(told(hook, NAMES)) == 2 * CLUSTERS - 1
    assert "Traceback" not in storm.log.read_text(encoding="utf-8")

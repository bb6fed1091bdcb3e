"""What the story needs around it: servers under load, stand-ins for Slack and e-mail, the service, and the commands."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from repwatch.model.server import Flavour
from repwatch.sandbox.ports import ReservedPort
from repwatch.sandbox.shop import load_shop
from repwatch.sandbox.standins_mail import MailCatcher
from repwatch.sandbox.standins_slack import SlackStandIn
from repwatch.sandbox.topology import Sandbox
from repwatch.sandbox.workload import Writer

POLL = timedelta(seconds=2)
REPWATCH = (sys.executable, "-m", "repwatch")
COMMAND_SECONDS = 900
STOP_SECONDS = 20


class ActFailedError(Exception):
    """Something that the story claims does not hold; `act` names the step."""

    def __init__(self, act: str, text: str) -> None:
        super().__init__(text)
        self.act = act


@dataclass(frozen=True, slots=True)
class Run:
    """One finished command."""

    status: int
    output: str
    log: str

    @property
    def json(self) -> Any:
        """What it printed; a document of another process, read key by key where it is used."""
        return json.loads(self.output)


class Stage:
    """Everything that runs during the story. Leaving the `with` block leaves no process, port or file behind."""

    def __init__(self, flavour: Flavour, folder: Path, rows: int, command: Sequence[str] = REPWATCH) -> None:
        self.flavour = flavour
        self.folder = folder
        self.rows = rows
        self.config = folder / "repwatch.toml"
        self.log = folder / "repwatch.log"
        self._command = tuple(command)
        self._port = ReservedPort()
        self.url = f"http://127.0.0.1:{self._port.number}/"
        self._service: subprocess.Popen[bytes] | None = None
        for leftover in folder.glob("repwatch.*"):  # of an earlier showing in the same folder
            leftover.unlink()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._port.release)
            self.box = stack.enter_context(Sandbox.start(self.flavour, replicas=2))
            self.slack = stack.enter_context(SlackStandIn())
            self.mail = stack.enter_context(MailCatcher())
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self.stop_service()
        self._closing.close()

    def load(self) -> None:
        """The shop, and somebody who keeps buying; the configuration of repwatch."""
        load_shop(self.box.source, self.rows)
        self.box.wait_caught_up(seconds=300)
        self.writer = self._closing.enter_context(Writer(self.box.source))
        self.config.touch(mode=0o600)
        self.config.write_text(self.box.configuration(POLL) + self._receivers(), encoding="utf-8")

    def _receivers(self) -> str:
        token = self.folder / "slack-token"
        token.touch(mode=0o600)
        token.write_text(self.slack.token, encoding="ascii")
        return (
            f'\n[store]\nurl = "sqlite:///repwatch.db"\n\n[web]\nlisten = "127.0.0.1:{self._port.number}"\n'
            f"\n[receivers.oncall]\n"
            f'slack = {{ channel = "#db-alerts", token = {{ file = "slack-token" }}, api_url = "{self.slack.api_url}" }}\n'
            f'email = {{ to = ["dba@example.com"], from = "repwatch@example.com", smtp = "smtp://127.0.0.1:{self.mail.port}" }}\n'
        )

    def start_service(self) -> None:
        """`repwatch run`, as a person would start it."""
        with self.log.open("ab") as log:
            self._service = subprocess.Popen(
                [*self._command, "run", "--config", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop_service(self) -> int | None:
        """SIGTERM; the exit status, None if it did not run."""
        if self._service is None:
            return None
        service, self._service = self._service, None
        service.send_signal(signal.SIGTERM)
        try:
            return service.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            service.kill()
            return service.wait()

    def repwatch(self, *arguments: str) -> Run:
        """Run one command on the demo's configuration."""
        done = subprocess.run(
            [*self._command, arguments[0], "--config", str(self.config), *arguments[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            env=os.environ | {"NO_COLOR": "1"},
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def page(self, path: str = "") -> str:
        """What the web server answers; "" while it does not."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return str(answer.read().decode())
        except (OSError, urllib.error.URLError):
            return ""


def wait(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> float | None:
    """Seconds until the condition held, None if it did not within that time."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            return None
        time.sleep(pause)
    return time.monotonic() - start

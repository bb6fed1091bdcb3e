"""A real `repwatch run` on real servers, with a webhook that writes down what it is told."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sandbox.standins_webhook import WebhookCatcher

POLL_SECONDS = 1.0
PATIENT = 120.0  # for what must come about at all, on a machine that does much else


class Service:
    """One `repwatch run` after another on the same configuration and store."""

    def __init__(self, box: Sandbox, folder: Path, *hooks: WebhookCatcher, store: str = "repwatch.db") -> None:
        self.config = folder / "repwatch.toml"
        self._log = folder / "run.log"
        receivers = [f'[receivers.hook{n}]\nwebhook = {{ url = "{hook.url}" }}\n' for n, hook in enumerate(hooks)]
        head = f'[store]\nurl = "sqlite:///{store}"\n[web]\nlisten = "127.0.0.1:0"\n'
        head += '[notices]\nrunbook = "https://wiki.example.com/{code}"\n'
        self.config.write_text(head + box.configuration() + "\n" + "\n".join(receivers), encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self.program = "from repwatch.cli.main import main\nmain()"  # what is run, where a test wants something else in it

    def start(self) -> None:
        """Start, and wait until it says so."""
        seen = len(self.log)
        with self._log.open("ab") as log:
            command = [sys.executable, "-c", self.program, "run", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stderr=log, stdout=log, stdin=subprocess.DEVNULL)
        until(lambda: "service.started" in self.log[seen:], "the service has started")

    def run_again(self) -> subprocess.CompletedProcess[str]:
        """A second service, to its end."""
        command = [sys.executable, "-m", "repwatch", "run", "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT)

    @property
    def log(self) -> str:
        """What all of them have said."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit status, and the seconds that it took."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> tuple[int, float]:
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(PATIENT)
        self.process = None
        return status, time.monotonic() - begun

    def close(self) -> None:
        """End what runs."""
        if self.process is not None:
            self.kill()

    def status(self, *options: str) -> tuple[int, str]:
        """`repwatch status` as a user runs it."""
        command = [sys.executable, "-m", "repwatch", "status", "--config", str(self.config), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    def api(self) -> str:
        """What the page's API says, "" while there is nothing yet."""
        code, text = self.get("api/status")
        return text if code == 200 else ""

    def healthy(self) -> bool:
        """True if everything is."""
        text = self.api()
        return bool(text) and body(text)["state"] == "ok"

    def get(self, path: str) -> tuple[int, str]:
        """Ask the web page of the service that runs."""
        return self._ask(urllib.request.Request(self._url + path))

    def post(self, path: str) -> tuple[int, str]:
        """Press a button of that page."""
        return self._ask(urllib.request.Request(self._url + path, data=b"", headers={"Origin": self._url.rstrip("/")}))

    @property
    def _url(self) -> str:
        return self.log.rsplit("listening on ", 1)[1].split()[0]

    def _ask(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=PATIENT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def told(hook: WebhookCatcher, silent: Collection[str] = ()) -> list[tuple[str, str, str]]:
    """(event, code, name of the server) of each notice, each id once, in order of first arrival.

    That a server did not answer in time, or was not seen for long, is said, rightly, of any on a machine that is busy for
    seconds: only those are in it that are meant to be `silent`.
    """
    first = {str(post.json["id"]): post.json for post in reversed(hook.posts)}
    kept = [body for body in reversed(first.values()) if not _is_late(body, body["name"] in silent)]
    return [(str(body["event"]), str(body["code"]), str(body["name"])) for body in kept]


def _is_late(body: Mapping[str, object], is_silent: bool) -> bool:
    evidence = body["evidence"]
    assert isinstance(evidence, dict)
    timed_out = body["code"] == "server-unreachable" and evidence.get("failure") == "timed-out"
    return (timed_out and not is_silent) or body["code"] == "observation-stale"


def until(holds: Callable[[], bool], what: str, seconds: float = PATIENT) -> None:
    """Wait for a condition, or fail and say which."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


def collide(box: Sandbox, replica: SandboxServer, schema: str, key: int) -> float:
    """Let the replica's applier stop on a duplicate key; when the source has committed (monotonic)."""
    replica.sql("SET SESSION sql_log_bin = 0", f"INSERT INTO {schema}.t VALUES ({key})")
    box.source.sql(f"INSERT INTO {schema}.t VALUES ({key})")
    return time.monotonic()


def mend(replica: SandboxServer, schema: str, key: int) -> None:
    """Take the colliding row away and go on."""
    start = "START SLAVE" if replica.flavour is Flavour.MARIADB else "START REPLICA"
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.t WHERE id = {key}", start)


def body(text: str) -> dict[str, object]:
    """A JSON object."""
    decoded = json.loads(text)
    assert isinstance(decoded, dict)
    return decoded

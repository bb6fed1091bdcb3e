"""Everything a person may get wrong, for every verb: one clear message, the right exit status, no traceback, no secret."""

import errno
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from repwatch.cli.main import VERBS
from repwatch.sandbox import Sandbox
from tests.server.first_contact import clean_environment, free_port, listening, repwatch, url

SECRET = "geheimes-Wort"
HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
# Verbs that look at a source and a replica given by URL, with what the contract makes of a server that does not answer.
BY_URL = {"doctor": {1}, "status": {2, 3}, "drift": {2}, "repair": {2}, "reseed": {2}}
BY_CONFIG = {**BY_URL, "run": {2}}
USAGE = {"status": 3}


def existing(*verbs: str) -> list[str]:
    """Those of the verbs whose module is there."""
    return [verb for verb in verbs if importlib.util.find_spec(VERBS[verb])]


def rotated(rows: Iterable[str], verbs: list[str]) -> list[object]:
    """Every row with every verb; the short run takes each row once and each verb once, as a command takes a second to start."""
    rows = list(rows)
    return [
        pytest.param(row, verb, marks=() if at % len(verbs) == number or number % len(rows) == at else pytest.mark.long)
        for at, row in enumerate(rows)
        for number, verb in enumerate(verbs)
    ]


def check(done: subprocess.CompletedProcess[str], statuses: set[int]) -> None:
    everything = done.stdout + done.stderr
    assert done.returncode in statuses, everything
    assert "Traceback" not in everything
    assert "internal error" not in everything
    assert SECRET not in everything
    assert everything.strip()


@dataclass
class Bad:
    """A folder with a configuration in it, and what is wrong with it."""

    text: str | bytes | None
    words: list[str] = field(default_factory=list)


GOOD = f'[clusters.shop.servers.db1]\nurl = "mysql://repwatch:{SECRET}@127.0.0.1:1"\n'
CONFIGURATIONS = {
    "missing": Bad(None, ["there is no configuration", "repwatch init"]),
    "empty": Bad("", ["clusters: is missing"]),
    "no-toml": Bad(f"[clusters\npassword = {SECRET}\n", ["line 1"]),
    "no-text": Bad(b"\xff\xfe\x00", ["UTF-8"]),
    "unknown-key": Bad(GOOD + "max_lga = 1\n", ["line 3", "did you mean 'max_lag'?"]),
    "literal-secret": Bad(f'[clusters.a.servers.b]\nurl = "mysql://u@h"\npassword = "{SECRET}"\n', ["line 3", "env"]),
    "no-user": Bad('[clusters.a.servers.b]\nurl = "mysql://h"\n', ["line 2", "no user"]),
    "a-path": Bad(f'[clusters.a.servers.b]\nurl = "mysql://u:{SECRET}@h/db"\n', ["line 2", "path"]),
    "two-problems": Bad(GOOD + 'tls = "x"\ndelay = 5\n', ["line 3", "line 4"]),
    "twins": Bad(GOOD + '[clusters.shop.servers.db2]\nurl = "mysql://u@127.0.0.1:1"\n', ["line 4", "db1"]),
}


@pytest.mark.parametrize(("name", "verb"), rotated(CONFIGURATIONS, existing(*BY_CONFIG)))
def test_a_bad_configuration(name: str, verb: str, tmp_path: Path) -> None:
    bad = CONFIGURATIONS[name]
    path = tmp_path / "repwatch.toml"
    if bad.text is not None:
        path.write_bytes(bad.text if isinstance(bad.text, bytes) else bad.text.encode())
    done = repwatch(verb, "--config", str(path), folder=tmp_path)
    check(done, {USAGE.get(verb, 2)})
    for word in bad.words:
        assert word in done.stderr
    assert str(path) in done.stderr


@pytest.mark.parametrize("verb", existing(*BY_CONFIG))
def test_no_configuration_at_all(verb: str, tmp_path: Path) -> None:
    done = repwatch(verb, folder=tmp_path)
    check(done, {USAGE.get(verb, 2)})
    assert "repwatch init" in done.stderr


URLS = {
    "no-user": "mysql://127.0.0.1:{closed}",
    "no-scheme": f"repwatch:{SECRET}@127.0.0.1",
    "other-scheme": f"postgresql://repwatch:{SECRET}@127.0.0.1",
    "a-path": f"mysql://repwatch:{SECRET}@127.0.0.1/shop",
    "slash-in-password": f"mysql://repwatch:{SECRET}/x@127.0.0.1",
    "port": f"mysql://repwatch:{SECRET}@127.0.0.1:99999",
    "parameter": f"mysql://repwatch:{SECRET}@127.0.0.1?{SECRET}=1",
    "option-file": f"mysql://repwatch:{SECRET}@127.0.0.1?defaults_file=/does/not/exist",
}


@pytest.mark.parametrize(("name", "verb"), rotated(URLS, existing(*BY_URL, "init")))
def test_a_bad_url(name: str, verb: str, tmp_path: Path) -> None:
    words = [URLS[name].format(closed=free_port())]
    if verb != "init":
        words = ["--source", *words, "--replica", f"mysql://repwatch:{SECRET}@127.0.0.2"]
    done = repwatch(verb, *words, folder=tmp_path)
    check(done, {USAGE.get(verb, 2)})
    assert ("URL" if verb == "init" else "--source") in done.stderr


PLACES = ["refuses", "unknown-host", "silent", "closes", "http", "ssh"]


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """host:port of things that are no server."""
    with ExitStack() as stack:
        talking = {
            name: listening(greeting) for name, greeting in {"silent": None, "closes": b"", "http": HTTP, "ssh": SSH}.items()
        }
        ports = {name: f"127.0.0.1:{stack.enter_context(place)}" for name, place in talking.items()}
        yield {**ports, "refuses": f"127.0.0.1:{free_port()}", "unknown-host": "no-such-host.invalid"}


@pytest.mark.parametrize(("place", "verb"), rotated(PLACES, existing(*BY_URL, "init")))
def test_a_place_where_no_server_answers(place: str, verb: str, places: dict[str, str], tmp_path: Path) -> None:
    target = f"mysql://repwatch:{SECRET}@{places[place]}"
    words = (
        [target] if verb == "init" else ["--source", target, "--replica", f"mysql://repwatch:{SECRET}@127.0.0.1:{free_port()}"]
    )
    started = time.monotonic()
    done = repwatch(verb, *words, folder=tmp_path)
    check(done, BY_URL.get(verb, {2}))
    assert places[place].partition(":")[0] in done.stdout + done.stderr
    assert time.monotonic() - started < 150


@pytest.mark.parametrize("verb", existing(*BY_URL, "init"))
def test_a_wrong_password(verb: str, star: Sandbox, tmp_path: Path) -> None:
    urls = [f"mysql://repwatch:{SECRET}@{server.address}" for server in (star.source, star.replicas[0])]
    words = urls[:1] if verb == "init" else ["--source", urls[0], "--replica", urls[1]]
    done = repwatch(verb, *words, folder=tmp_path)
    check(done, BY_URL.get(verb, {2}))
    assert "Access denied" in done.stdout + done.stderr


@pytest.mark.parametrize("verb", existing(*BY_CONFIG))
def test_a_word_too_many(verb: str, tmp_path: Path) -> None:
    check(repwatch(verb, "one", f"mysql://u:{SECRET}@h", "three", folder=tmp_path), {USAGE.get(verb, 2)})


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_verb(number: signal.Signals, status: int, places: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "repwatch", "init", f"mysql://repwatch:{SECRET}@{places['silent']}"]
    command = ["env", "--default-signal=HUP,INT", *command]  # these tests may run under nohup or in the background
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        wait_until_it_connects(child.pid)
        child.send_signal(number)
        out, err = child.communicate(timeout=120)
    assert child.returncode == status, err
    assert "Traceback" not in out + err


def wait_until_it_connects(pid: int) -> None:
    """Until the process has a socket open."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        folder = Path(f"/proc/{pid}/fd")
        for entry in folder.iterdir():
            try:
                if str(entry.readlink()).startswith("socket:"):
                    return
            except OSError as error:
                assert error.errno == errno.ENOENT  # noqa: PT017 - closed meanwhile
        time.sleep(0.05)
    raise AssertionError("it never connected")


def test_output_that_cannot_be_written_is_told(star: Sandbox, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "repwatch", "doctor", "--source", url(star.source)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, env=clean_environment(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_gone_ends_it_quietly(star: Sandbox, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "repwatch", "doctor", "--source", url(star.source)]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(tmp_path), stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")

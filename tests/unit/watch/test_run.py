"""`repwatch run` and `repwatch status` as processes, on a cluster whose servers are not there."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from repwatch.cli.main import main
from repwatch.sandbox.standins_webhook import WebhookCatcher

PATIENT = 60


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """One server that refuses connections; the port stays bound and is not listened on, so that nothing else takes it."""
    path = tmp_path / "repwatch.toml"
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        path.write_text(
            f'[web]\nlisten = "127.0.0.1:0"\n[clusters.shop]\nsource = "db1"\npoll_interval = "1s"\n'
            f'[clusters.shop.servers.db1]\nurl = "mysql://watcher@127.0.0.1:{port}"\npassword = {{ env = "TOP" }}\n'
        )
        yield path


def repwatch(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "repwatch", *map(str, words)], capture_output=True, text=True, check=False, timeout=PATIENT,
        env={"TOP": "geheim", "PATH": "/usr/bin", "HOME": "/nonexistent"} | (env or {}),
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout
    assert "geheim" not in done.stderr + done.stdout
    return done


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`repwatch status` in this process: exit status and stdout."""
    monkeypatch.setenv("TOP", "geheim")

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["repwatch", "status", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "geheim" not in out + err
        assert isinstance(ended.value.code, int)
        return ended.value.code, out

    return call


@pytest.fixture
def service(config: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "repwatch", "run", "--config", str(config)], stderr=subprocess.PIPE, text=True,
        env={"TOP": "geheim", "PATH": "/usr/bin"},
    )  # fmt: skip
    wait_for(process, "service.started")
    yield process
    process.kill()
    process.communicate(timeout=PATIENT)


def wait_for(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"it ended without {word}")


def test_a_second_one_is_refused_and_a_signal_ends_the_first(service: subprocess.Popen[str], config: Path) -> None:
    done = repwatch("run", "--config", config)
    assert done.returncode == 2
    assert str(service.pid) in done.stderr
    assert "hint" in done.stderr
    begun = time.monotonic()
    service.send_signal(signal.SIGINT)
    assert service.wait(PATIENT) == 0
    assert time.monotonic() - begun < 30


def test_all_its_threads_stay_on_one_processor(service: subprocess.Popen[str]) -> None:
    """Python lets one of them work at a time: on several they would wake one another, and do little else in a storm."""
    wait_for(service, "incident.open")  # by then there is one of each kind
    found: list[set[int]] = []
    for task in Path(f"/proc/{service.pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            found.append(os.sched_getaffinity(int(task.name)))
    assert len(found) > 3
    assert len(found[0]) == 1
    assert all(processors == found[0] for processors in found)


def test_what_the_service_saw_is_shown_until_it_is_too_old(
    service: subprocess.Popen[str], config: Path, status: Callable[..., tuple[int, str]]
) -> None:
    wait_for(service, "incident.open")
    deadline = time.monotonic() + PATIENT
    while (answer := status("--config", config, "--format", "json"))[0] == 3:  # a busy machine may leave it a view too old
        assert time.monotonic() < deadline
    code, text = answer
    assert code == 2
    shown = json.loads(text)
    (finding,) = shown["clusters"][0]["servers"][0]["findings"]
    assert finding["code"] == "server-unreachable"
    service.kill()
    service.wait(PATIENT)
    store = config.parent / "repwatch.db"
    with sqlite3.connect(store) as database:
        database.execute("UPDATE views SET as_of = '2026-01-01T00:00:00.000000Z'")
    database.close()
    code, text = status("--config", config, "--format", "json")
    assert code == 3
    old = json.loads(text)
    assert old["state"] == "unknown"
    assert old["clusters"][0]["servers"][0]["findings"] == [finding]


def test_without_a_service_status_looks_itself(config: Path, status: Callable[..., tuple[int, str]]) -> None:
    code, text = status("shop", "--config", config)
    assert code == 2
    assert text.startswith("REPWATCH CRITICAL - ")
    assert not (config.parent / "repwatch.db").exists()


def test_status_without_a_configuration(status: Callable[..., tuple[int, str]]) -> None:
    code, text = status("--source", "mysql://u:geheim@127.0.0.1:1", "--format", "json")
    assert code == 2
    assert json.loads(text)["clusters"][0]["servers"][0]["server"] == "127.0.0.1:1"


@pytest.mark.parametrize(
    "words",
    [("--config", "/nonexistent/repwatch.toml"), ("--no-such-option",), ("nocluster",), ("--source", "geheim")],
)
def test_errors_of_usage_are_unknown_to_nagios(
    config: Path, words: tuple[str, ...], status: Callable[..., tuple[int, str]]
) -> None:
    chosen = words if "--config" in words or "--source" in words else (*words, "--config", str(config))
    assert status(*chosen)[0] == 3


def test_a_port_that_is_taken(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}"))
        done = repwatch("run", "--config", config)
    assert done.returncode == 2
    assert "hint" in done.stderr


def test_a_store_that_cannot_be_made(config: Path) -> None:
    config.write_text('[store]\nurl = "sqlite:////proc/none/x.db"\n' + config.read_text())
    done = repwatch("run", "--config", config)
    assert done.returncode == 2


def test_a_schedule_that_cannot_be_understood(config: Path) -> None:
    config.write_text(config.read_text() + '[clusters.shop.drift]\nschedule = "61 * * * *"\n')
    assert repwatch("run", "--config", config).returncode == 2


def test_a_sign_of_life_is_given_while_all_is_well_and_only_then(config: Path) -> None:
    with WebhookCatcher() as hook:
        dead_man = f'[deadman]\nurl = "{hook.url}"\nevery = "500ms"\n'
        config.write_text(dead_man + config.read_text(encoding="utf-8"), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "repwatch", "run", "--config", str(config)], stderr=subprocess.PIPE, text=True,
            env={"TOP": "geheim", "PATH": "/usr/bin"},
        )  # fmt: skip
        try:
            url = wait_for(process, "service.started").rsplit("listening on ", 1)[1].split()[0]
            assert hook.wait_for(lambda posts: len(posts) >= 2, PATIENT)
            store = config.with_name("repwatch.db")
            store.rename(store.with_name("moved"))
            wait_until(lambda: get(url + "healthz")[0] == 503)
            told, begun = len(hook.posts), as_of(url)
            wait_until(lambda: as_of(url) >= begun + timedelta(seconds=3))
            assert len(hook.posts) <= told + 1  # one may have been on its way
            store.with_name("moved").rename(store)
            assert hook.wait_for(lambda posts: len(posts) >= told + 3, PATIENT)
        finally:
            process.kill()
            process.communicate(timeout=PATIENT)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENT) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def as_of(url: str) -> datetime:
    """When the service looked last."""
    return datetime.fromisoformat(json.loads(get(url + "api/status")[1])["as_of"])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)

"""A full disk under the store: the service goes on, says so, and loses nothing that it can record later."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.disks import mount, unmount
from tests.server.watching import PATIENT, Service, body, collide, mend, told, until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount(folder, "1m")
    try:
        yield folder
    finally:
        unmount(folder)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """While nothing more fits."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    yield
    filler.unlink()


def said(service: Service, phase: str) -> int:
    """How often the log tells that of an applier's error; the suspicion that it leaves behind is told there too."""
    return len(re.findall(rf"incident\.{phase} key=\S+/applier-error:", service.log))


def test_what_happens_while_the_disk_is_full_is_told_afterwards(fresh_star: Sandbox, small_disk: Path, tmp_path: Path) -> None:
    box, passing, lasting = fresh_star, *fresh_star.replicas
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    box.wait_caught_up(PATIENT)
    with WebhookCatcher() as hook:
        service = Service(box, tmp_path, hook, store="small/repwatch.db")
        try:
            service.start()
            until(service.healthy, "everything is healthy")
            with full(small_disk):
                collide(box, passing, "w", 1)
                until(lambda: "applier-error" in service.api(), "the page shows what the store cannot hold")
                until(lambda: "store.failed" in service.log, "it says that the store fails")
                until(lambda: "store" in str(body(service.get("healthz")[1])["problems"]), "so does its health")
                until(lambda: said(service, "open") == 1, "it is confirmed")
                mend(passing, "w", 1)
                until(lambda: said(service, "resolved") == 1, "it is over")
                collide(box, lasting, "w", 2)
                until(lambda: said(service, "open") == 2, "the next one is confirmed")
            until(lambda: len(told(hook)) == 3, "all is told")
            assert sorted(told(hook)) == [
                ("opened", "applier-error", "replica1"),
                ("opened", "applier-error", "replica2"),
                ("resolved", "applier-error", "replica1"),
            ]
            until(lambda: service.get("healthz")[0] == 200, "it is healthy itself")
            mend(lasting, "w", 2)
            until(lambda: len(told(hook)) == 4, "the end of the next one is told")
            assert service.stop()[0] == 0
            assert "Traceback" not in service.log
        finally:
            service.close()


def test_a_start_on_a_full_disk_says_what_to_do(small_disk: Path, tmp_path: Path) -> None:
    config = tmp_path / "repwatch.toml"
    config.write_text(
        '[store]\nurl = "sqlite:///small/repwatch.db"\n[clusters.shop]\nsource = "db1"\n'
        '[clusters.shop.servers.db1]\nurl = "mysql://u@127.0.0.1:1"\npassword = { env = "HOME" }\n'
    )
    command = [sys.executable, "-m", "repwatch", "run", "--config", str(config)]
    with full(small_disk):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT)
    assert done.returncode == 2
    assert "hint" in done.stderr
    assert "Traceback" not in done.stderr

"""The state store is taken away under a running service, and put back: it says so, and loses and doubles nothing."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.watching import PATIENT, Service, body, collide, mend, told, until

OPENED, RESOLVED = (("opened", "applier-error", "replica1"), ("resolved", "applier-error", "replica1"))


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """One replica; the flavour says nothing about the store."""
    with Sandbox.start(Flavour.MARIADB, replicas=1) as started:
        started.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY AUTO_INCREMENT)")
        started.wait_caught_up(PATIENT)
        yield started


@pytest.fixture
def key(box: Sandbox) -> int:
    """Of a row that no test before has used."""
    return int(box.source.sql("SELECT COALESCE(MAX(id), 0) + 1 FROM w.t")[0][0] or 0)


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    with WebhookCatcher() as started:
        yield started


@pytest.fixture
def service(box: Sandbox, hook: WebhookCatcher, tmp_path: Path) -> Iterator[Service]:
    """It runs, everything is healthy, and its store lies in a folder of its own."""
    service = Service(box, tmp_path, hook, store="state/repwatch.db")
    try:
        service.start()
        until(service.healthy, "everything is healthy")
        yield service
        assert "Traceback" not in service.log
    finally:
        service.close()


def says_so(service: Service) -> None:
    """The log names the store, and so does the answer to who asks how it is."""
    until(lambda: bool(re.search(r"store\.failed .*repwatch\.db", service.log)), "it says that the store is gone")
    until(lambda: service.get("healthz")[0] == 503, "it is not healthy itself")
    assert "repwatch.db" in str(body(service.get("healthz")[1])["problems"])


def said(service: Service, phase: str) -> int:
    return len(re.findall(rf"incident\.{phase} key=\S+/applier-error:", service.log))


def errors(hook: WebhookCatcher) -> list[tuple[str, str, str]]:
    """What was told of the applier; the suspicion that its error leaves behind is another matter."""
    return [each for each in told(hook) if each[1] == "applier-error"]


def test_what_happens_while_the_store_is_elsewhere_is_told_when_it_is_back(
    box: Sandbox, service: Service, hook: WebhookCatcher, key: int, tmp_path: Path
) -> None:
    (replica,) = box.replicas
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    says_so(service)
    collide(box, replica, "w", key)
    until(lambda: said(service, "open") == 1, "it is confirmed")
    assert "applier-error" in service.api()
    (tmp_path / "elsewhere").rename(tmp_path / "state")
    until(lambda: errors(hook) == [OPENED], "it is told")
    until(lambda: service.get("healthz")[0] == 200, "it is healthy itself")
    assert service.stop()[0] == 0
    service.start()
    mend(replica, "w", key)
    until(lambda: errors(hook) == [OPENED, RESOLVED], "its end is told")


def test_a_removed_file_is_told_of_and_the_next_start_goes_on_with_a_new_one(
    box: Sandbox, service: Service, hook: WebhookCatcher, key: int, tmp_path: Path
) -> None:
    (replica,) = box.replicas
    for each in (tmp_path / "state").glob("repwatch.db*"):
        each.unlink()
    says_so(service)
    collide(box, replica, "w", key)
    until(lambda: said(service, "open") == 1, "it is confirmed")
    assert service.stop()[0] == 0
    service.start()
    until(lambda: errors(hook) == [OPENED], "what still holds is told")
    mend(replica, "w", key)
    until(lambda: errors(hook) == [OPENED, RESOLVED], "its end is told")
    until(lambda: service.get("healthz")[0] == 200, "it is healthy itself")


def test_a_removed_folder_that_is_put_back_as_a_copy_is_used_after_a_restart(
    box: Sandbox, service: Service, hook: WebhookCatcher, key: int, tmp_path: Path
) -> None:
    """As from a backup: what was told before is not told again, and its end is."""
    (replica,) = box.replicas
    collide(box, replica, "w", key)
    until(lambda: errors(hook) == [OPENED], "it is told")
    (opened,) = (str(post.json["id"]) for post in hook.posts if post.json["code"] == "applier-error")
    until(lambda: f"notice.delivered id={opened} " in service.log, "and that is kept")
    assert service.stop()[0] == 0
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    service.start()
    shutil.rmtree(tmp_path / "state")
    says_so(service)
    shutil.copytree(tmp_path / "backup", tmp_path / "state")
    until(lambda: "was replaced by another file" in service.log, "it says that this is another one")
    assert service.stop()[0] == 0
    service.start()
    mend(replica, "w", key)
    until(lambda: errors(hook) == [OPENED, RESOLVED], "its end is told")

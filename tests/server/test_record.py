"""What is recorded while real replication breaks comes to the same findings and notices when it is replayed, without secrets."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.recording import Recorder, read_recording
from repwatch.flows.probing import Probing
from repwatch.flows.recording import Seen, record, replay
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.sandbox import Account, Sandbox
from tests.server.watching import PATIENT, collide, mend, until


class Film:
    """A recording in a thread of its own, at four looks a second."""

    def __init__(self, box: Sandbox, path: Path) -> None:
        self.cluster = box.cluster(poll_interval=timedelta(seconds=1))
        self.path = path
        self.seen: list[Seen] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        clock = SystemClock()
        prober = Prober(Session.connect_for_looks, clock, deadline=PATIENT)
        with Recorder(self.path, self.cluster) as recorder:
            for tick, seen in record(self.cluster, diagnose, Probing(prober, clock), clock):
                recorder.add(tick)
                self.seen.append(seen)
                if self._over.wait(0.25):
                    break
        prober.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        yield
        self._over.set()
        self._thread.join(PATIENT)
        assert not self._thread.is_alive()

    def notices(self) -> list[Notice]:
        return [notice for seen in list(self.seen) for notice in seen.notices]

    def told(self) -> list[tuple[NoticeEvent, str]]:
        return [(notice.event, notice.subject.code.value) for notice in self.notices() if not is_late(notice)]


def is_late(notice: Notice) -> bool:
    """A server did not answer in time, or was not seen for long: the machine is busy."""
    return notice.evidence.get("failure") == "timed-out" or notice.subject.code is FindingCode.OBSERVATION_STALE


def test_a_recording_replayed_finds_and_tells_the_same(fresh_star: Sandbox, tmp_path: Path) -> None:
    box, (one, two) = fresh_star, fresh_star.replicas
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    box.wait_caught_up(PATIENT)
    film = Film(box, tmp_path / "shop.recording")
    with film.running():
        until(lambda: bool(film.seen) and not film.seen[-1].findings, "all is well")
        collide(box, one, "w", 1)
        two.kill()
        until(lambda: len(film.told()) == 2, "both are told")
        mend(one, "w", 1)
        until(lambda: len(film.told()) == 3, "the first is over")
    assert sorted(film.told()[:2]) == [(NoticeEvent.OPENED, "applier-error"), (NoticeEvent.OPENED, "server-unreachable")]
    cluster, ticks = read_recording(film.path)
    assert list(replay(cluster, diagnose, ticks)) == film.seen

    text = film.path.read_text(encoding="utf-8")
    assert film.path.stat().st_mode & 0o077 == 0
    for account in Account:
        assert box.credentials.secret(account).text not in text
    torn = tmp_path / "torn.recording"
    torn.write_text(text[:-20], encoding="utf-8")
    codes = [notice.subject.code.value for notice in film.notices()]
    whole = len(codes) - len(film.seen[-1].notices)  # those of the last look are gone with its end
    for path, least in ((film.path, len(codes)), (torn, whole)):
        command = [sys.executable, "-m", "repwatch", "replay", str(path), "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT)
        assert (done.returncode, done.stderr) == (0, "")
        told = [notice["code"] for change in json.loads(done.stdout)["changes"] for notice in change["notices"]]
        assert told[:least] == codes[:least]
        assert len(told) <= len(codes)

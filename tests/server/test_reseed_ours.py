"""A reseed whose replica is another server by now, or has been taken over by another run, writes nothing there any more."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.journal import FileJournal
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.shell import HostShell
from repwatch.errors import Refused
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_clone import clone_status
from repwatch.flows.reseed_marked import PATIENT
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.model.endpoint import Endpoint
from repwatch.model.plan import Applied, Outcome
from repwatch.model.server import Flavour
from repwatch.ports.database import Timeouts
from repwatch.reseed.clone import BEGUN, left_behind
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import SETTINGS, Marker, Stage
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql.clone import CloneState
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.refusing import everything_on
from tests.server.reseeding import CLOCK, contents, healthy, journal_events, put_all_back, request, reseed, tools
from tests.server.test_reseed_clone import clone_request

PLUGIN = {Flavour.MARIADB: (), Flavour.MYSQL: ("--plugin-load-add=mysql_clone.so",)}


@pytest.fixture(scope="module")
def star(flavour: Flavour) -> Iterator[Sandbox]:
    """Servers of our own: their system schemas are replaced."""
    with Sandbox.start(flavour, replicas=2, options=PLUGIN[flavour]) as box:
        yield box


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    yield star.replicas[0]
    put_all_back(star)


def drifted(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)", f"INSERT INTO {schema}.t VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)
    star.replicas[0].sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.t WHERE id = 2")


class Moving:
    """An address that leads to another server from some moment on, as after a switch-over."""

    def __init__(self, replica: SandboxServer, other: SandboxServer) -> None:
        self._from = replica.spec().writer
        self._other = other
        self.moved = False

    def connect(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        if self.moved and endpoint == self._from:
            endpoint = replace(endpoint, address=self._other.address)
        return Session.connect(endpoint, timeouts)


@pytest.mark.parametrize("method", [Method.LOGICAL, Method.DIFFERENTIAL])
def test_another_server_behind_the_address_is_not_written_to(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: Method
) -> None:
    other = star.replicas[1]
    drifted(star, schema)
    star.source.sql(f"CREATE TABLE {schema}.u (id INT PRIMARY KEY)", f"INSERT INTO {schema}.u VALUES (1)")
    star.wait_caught_up(60)
    door = Moving(replica, other)
    before = everything_on(other)

    def tell(progress: Progress) -> None:
        door.moved = door.moved or progress.phase is Phase.SNAPSHOT

    asked = request(star, replica, method=method)
    doors = replace(tools(tmp_path, tell), connect=door.connect)
    applied = apply_reseed(asked, doors, plan_reseed(asked, Session.connect, CLOCK).plan.plan_hash)
    assert door.moved
    assert applied.outcome is Outcome.FAILED
    assert everything_on(other) == before
    assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
    again = reseed(asked, tmp_path)
    assert (again.outcome, again.verdict) == (Outcome.DONE, "identical")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_a_journal_of_another_server_cancels_nothing(star: Sandbox, replica: SandboxServer, tmp_path: Path) -> None:
    doors = tools(tmp_path)
    marker = Marker(
        run="r",
        stage=Stage.MARKED,
        source=str(star.source.address),
        source_key="1",
        target_key="another",
        channel="",
        before="",
        position="",
        delay=0,
        receiver=True,
        applier=True,
        read_only=False,
        super_read_only=False,
        trust_creators=False,
        local_infile=False,
        method=Method.LOGICAL,
        tables=(),
    )
    doors.journal.append({"at": "2026-01-01T00:00:00+00:00", "run": "r", "event": SETTINGS, "marker": marker.text()})
    with pytest.raises(Refused):
        cancel_reseed(request(star, replica), doors)
    assert replica.sql("SELECT @@GLOBAL.read_only") == [("1",)]


class Meddling(FileJournal):
    """Somebody else goes on, and comes to the end, right after one thing was written down."""

    def __init__(self, path: Path, moment: tuple[str, str], other: Callable[[], Applied]) -> None:
        super().__init__(path)
        self._moment = moment
        self._other = other
        self.found: list[Applied] = []

    def append(self, entry: Mapping[str, str]) -> None:
        super().append(entry)
        if (entry["event"], entry.get("step", "")) == self._moment and not self.found:
            self.found.append(self._other())


def run(asked: ReseedRequest, doors: Tools) -> Applied:
    proposal = plan_reseed(asked, Session.connect, CLOCK, doors.shell)
    assert proposal.plan.refusals == ()
    return apply_reseed(asked, doors, proposal.plan.plan_hash)


@pytest.mark.parametrize("flavour", [Flavour.MARIADB], indirect=True, ids=str)
def test_files_that_another_run_has_proved_are_left_alone(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """From another machine, while the first waits for the server to start."""
    drifted(star, schema)
    asked = request(star, replica, login=True, method=Method.PHYSICAL)
    other = replace(tools(tmp_path / "other"), shell=HostShell())
    journal = Meddling(tmp_path / "journal.jsonl", ("done", "started"), lambda: run(asked, other))
    applied = run(asked, replace(other, journal=journal))
    assert [(found.outcome, found.text) for found in journal.found] == [(Outcome.DONE, "")]
    assert applied.outcome is Outcome.FAILED
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, ids=str)
def test_a_clone_that_another_run_has_proved_is_left_alone(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    drifted(star, schema)
    asked = clone_request(star, replica)
    found: list[Applied] = []
    doors = tools(tmp_path)

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        begun = (BEGUN, "") in journal_events(tmp_path / "journal.jsonl")
        if begun and timeouts == PATIENT and endpoint == replica.spec().writer and not found:
            with replica.connect(Account.ROOT) as db:
                assert clone_status(db).state is CloneState.COMPLETED
            found.append(run(replace(asked, left=left_behind(doors.journal.entries())), doors))
        return Session.connect(endpoint, timeouts)

    applied = apply_reseed(asked, replace(doors, connect=connect), plan_reseed(asked, Session.connect, CLOCK).plan.plan_hash)
    assert [(other.outcome, other.text) for other in found] == [(Outcome.DONE, "")]
    assert applied.outcome is Outcome.FAILED
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)

"""Real servers of both flavours for every test that wants one. What cannot be started fails the run; nothing is skipped."""

import secrets
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from repwatch.errors import RepwatchError
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.postgres import Postgres

SKIPPED: list[str] = []
STARS: dict[Flavour, Sandbox] = {}
FAILED = pytest.StashKey[bool]()

# How long one example takes says more about the machine than about us; what hangs is ended by the timeout of its test.
NO_WATCH = [HealthCheck.too_slow]
settings.register_profile("repwatch", deadline=None, suppress_health_check=NO_WATCH)
# For CI, whose answer should be about the commit: the same examples each time. Whoever runs the tests by hand tries new ones.
settings.register_profile("repeatable", deadline=None, suppress_health_check=NO_WATCH, derandomize=True)
settings.load_profile("repwatch")


@pytest.fixture(scope="session", params=list(Flavour), ids=str)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """Both flavours."""
    chosen: Flavour = request.param
    return chosen


@pytest.fixture
def star(request: pytest.FixtureRequest, flavour: Flavour) -> Iterator[Sandbox]:
    """A shared source with two replicas. Leave it as you found it: replicating, without schemas or accounts of yours.

    The test that fails does not: its star is given up, so that one failure does not become that of all tests after it.
    """
    if flavour not in STARS:
        STARS[flavour] = start(flavour)
    yield STARS[flavour]
    if FAILED in request.node.stash:
        STARS.pop(flavour).close()


@pytest.fixture
def fresh_star(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with two replicas of the test's own, to be broken at will."""
    with start(flavour) as box:
        yield box


@pytest.fixture
def schema(request: pytest.FixtureRequest, star: Sandbox) -> Iterator[str]:
    """The name of a new schema on `star`; it is dropped afterwards, on all servers."""
    name = f"t_{secrets.token_hex(4)}"
    star.source.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    star.wait_caught_up(60)
    yield name
    if FAILED not in request.node.stash:
        star.source.sql(f"DROP DATABASE {name}")
        star.wait_caught_up(60)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, for a store; each test takes a database of its own."""
    server = Postgres.start()
    yield server
    server.close()


def start(flavour: Flavour, replicas: int = 2) -> Sandbox:
    """A started star, or a failure that says what is missing."""
    try:
        return Sandbox.start(flavour, replicas=replicas)
    except RepwatchError as error:
        pytest.fail(f"{error}\nhint: {error.hint}", pytrace=False)


class SharedServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """In one process, one after another, runs what shares servers: the tests of a module on one flavour.

    A story of the demo stands alone. Groups that xdist reads from marks travel in the names of the tests, which pytest 9.2 does
    not let xdist 3.8 change: each test would be a group of its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        parameters = test.partition("[")[2].rstrip("]").split("-")
        return nodeid if path.startswith("tests/demo") else f"{path} {next((f for f in Flavour if f in parameters), '')}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """For every `--dist` alike."""
    return SharedServers(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know that their test has failed."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        SKIPPED.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A module may skip itself as a whole."""
    if report.skipped:
        SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test is a test that did not run: the run fails."""
    while STARS:
        STARS.popitem()[1].close()
    if SKIPPED and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run failed."""
    if SKIPPED:
        terminalreporter.write_line(f"skipped tests count as failures here: {', '.join(SKIPPED)}", red=True)

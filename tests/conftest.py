"""Real servers of both flavours for every test that wants one. What cannot be started fails the run; nothing is skipped."""

import secrets
from collections.abc import Iterator

import pytest
from hypothesis import settings

from repwatch.errors import RepwatchError
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox

SKIPPED: list[str] = []

# How long one example takes says more about the machine than about us; what hangs is ended by the timeout of its test.
settings.register_profile("repwatch", deadline=None)
settings.load_profile("repwatch")


@pytest.fixture(scope="session", params=list(Flavour), ids=str)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """Both flavours; pytest runs all tests of one before those of the other."""
    chosen: Flavour = request.param
    return chosen


@pytest.fixture(scope="session")
def star(flavour: Flavour) -> Iterator[Sandbox]:
    """A shared source with two replicas. Leave it as you found it: replicating, without schemas or accounts of yours."""
    with start(flavour) as box:
        yield box


@pytest.fixture
def fresh_star(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with two replicas of the test's own, to be broken at will."""
    with start(flavour) as box:
        yield box


@pytest.fixture
def schema(star: Sandbox) -> Iterator[str]:
    """The name of a new schema on `star`; it is dropped afterwards, on all servers."""
    name = f"t_{secrets.token_hex(4)}"
    star.source.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    star.wait_caught_up(60)
    yield name
    star.source.sql(f"DROP DATABASE {name}")
    star.wait_caught_up(60)


def start(flavour: Flavour) -> Sandbox:
    """A started star, or a failure that says what is missing."""
    try:
        return Sandbox.start(flavour, replicas=2)
    except RepwatchError as error:
        pytest.fail(f"{error}\nhint: {error.hint}", pytrace=False)


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
    if SKIPPED and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run failed."""
    if SKIPPED:
        terminalreporter.write_line(f"skipped tests count as failures here: {', '.join(SKIPPED)}", red=True)

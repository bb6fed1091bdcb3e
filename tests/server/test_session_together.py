"""Several statements in one round trip, on real servers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import mysql.connector.pooling
import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import OutcomeUnknown, StatementTimedOut, Unreachable
from repwatch.model.server import Flavour
from repwatch.ports.database import Timeouts
from repwatch.sandbox import Sandbox

PATIENCE = 60
ONE, TWO = "SELECT 1 AS a, NULL AS b", "SELECT 'x;y' AS c UNION ALL SELECT 'ä'"
ROWS = [[{"a": "1", "b": None}], [{"c": "x;y"}, {"c": "ä"}]]
REFUSED = "SELECT no_such_column"


@pytest.fixture
def session(star: Sandbox) -> Iterator[Session]:
    with Session.connect_for_looks(star.source.endpoint(), Timeouts(connect=30, read=30)) as opened:
        yield opened


def test_their_rows_come_in_order(session: Session) -> None:
    assert [*session.together([ONE, TWO])] == ROWS
    assert [*session.together([TWO])] == ROWS[1:]
    assert [*session.together([])] == []
    assert [*session.together([ONE, "SELECT 1 AS a FROM DUAL WHERE 0", TWO])] == [ROWS[0], [], ROWS[1]]
    assert session.scalar("SELECT 7") == "7"


def test_what_is_refused_ends_it_and_leaves_the_session_usable(session: Session) -> None:
    assert [*session.together([ONE, REFUSED, TWO])] == ROWS[:1]
    assert [*session.together([REFUSED, ONE])] == []
    assert [*session.together(["not even SQL", ONE])] == []
    assert session.warnings() == []
    assert session.scalar("SELECT 7") == "7"


@contextmanager
def once_it_sleeps(session: Session, star: Sandbox, end: Callable[[], object]) -> Iterator[None]:
    """Beside what is done in here, `end` as soon as the session's statement sleeps."""
    asleep = f"SELECT COUNT(*) FROM information_schema.processlist WHERE ID = {session.connection_id} AND STATE = 'User sleep'"

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE
        while star.source.sql(asleep) != [("1",)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        end()

    ending = threading.Thread(target=wait)
    ending.start()
    yield
    ending.join()


def test_a_statement_that_the_server_ends_is_told(session: Session, schema: str, flavour: Flavour) -> None:
    slow = _limited(session, schema, flavour)
    with pytest.raises(StatementTimedOut):
        [*session.together([ONE, slow, TWO])]
    assert session.scalar("SELECT 7") == "7"


def _limited(session: Session, schema: str, flavour: Flavour) -> str:
    """A statement that takes long, and is ended after a tenth of a second."""
    if flavour is Flavour.MARIADB:
        return f"SET STATEMENT max_statement_time = 0.1 FOR SELECT SLEEP({PATIENCE})"
    many = " CROSS JOIN ".join(f"information_schema.COLUMNS AS c{number}" for number in range(4))
    return f"SELECT /*+ MAX_EXECUTION_TIME(100) */ COUNT(*) FROM {many}"


def test_who_stops_early_closes_the_session(session: Session) -> None:
    with closing(session.together([ONE, TWO])) as answers:
        assert next(answers) == ROWS[0]
    with pytest.raises(Unreachable):
        session.scalar("SELECT 7")


def test_a_connection_that_is_lost_meanwhile_is_told(session: Session, star: Sandbox) -> None:
    kill = partial(star.source.sql, f"KILL {session.connection_id}")
    with once_it_sleeps(session, star, kill), pytest.raises(OutcomeUnknown):
        [*session.together([ONE, f"SELECT SLEEP({PATIENCE})", TWO])]


def test_an_answer_that_does_not_come_in_time_is_one_that_is_lost(star: Sandbox) -> None:
    with (
        Session.connect_for_looks(star.source.endpoint(), Timeouts(connect=30, read=1)) as session,
        pytest.raises(OutcomeUnknown),
    ):
        [*session.together([ONE, "SELECT SLEEP(60)", TWO])]


def test_another_session_takes_one_statement_at_a_time(star: Sandbox) -> None:
    with star.source.connect() as session:
        assert [*session.together([ONE, TWO])] == []


def test_the_drivers_pure_half_sends_none(star: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql.connector.pooling, "CMySQLConnection", None)
    with Session.connect_for_looks(star.source.endpoint(), Timeouts(connect=30, read=30)) as session:
        assert [*session.together([ONE, TWO])] == []
        assert session.scalar("SELECT 7") == "7"

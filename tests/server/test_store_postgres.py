"""One service on one PostgreSQL store, whatever becomes of its connections; and what is said where the store cannot be used."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repwatch.adapters.store import database_lock
from repwatch.adapters.store.database_lock import DatabaseLock
from repwatch.adapters.store.reader import read_views
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from tests.server.postgres import PATIENT, ROLE, Postgres

SUBJECT = Subject("shop", "", "", FindingCode.DRIFTED)
FINDING = Finding(subject=SUBJECT, severity=Severity.CRITICAL, summary="s", meaning="m", remedy="r")
CONFIG = """
[store]
url = "{url}"
[web]
listen = "127.0.0.1:0"
[clusters.shop]
source = "db1"
[clusters.shop.servers.db1]
url = "mysql://w@127.0.0.1:1"
"""


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    name = postgres.new_database()
    yield name
    postgres.drop(name)


@pytest.fixture
def store(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    """A service's, which looks at its lock before each write."""
    monkeypatch.setattr(database_lock, "CHECK_SECONDS", 0.0)
    opened = SqlStore.open(postgres.url(database))
    yield opened
    opened.close()


def holders(postgres: Postgres, database: str) -> list[int]:
    rows = postgres.sql(
        f"SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = '{database}'"
    )
    return [pid for (pid,) in rows]


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def cut(postgres: Postgres, database: str) -> None:
    """End all sessions of the service, and wait until they are gone."""
    postgres.sql(
        f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{database}' AND usename = '{ROLE}'"
    )


def test_a_second_service_is_refused_until_the_first_is_gone(store: SqlStore, postgres: Postgres, database: str) -> None:
    with pytest.raises(StoreError) as caught:
        SqlStore.open(postgres.url(database))
    assert caught.value.hint
    store.set_standing(FINDING)
    store.close()
    until(lambda: not holders(postgres, database), "its session is gone")
    SqlStore.open(postgres.url(database)).close()


def test_stores_in_two_databases_of_one_server_are_two(store: SqlStore, postgres: Postgres) -> None:
    other = postgres.new_database()
    SqlStore.open(postgres.url(other)).close()
    postgres.drop(other)


def test_a_service_whose_sessions_were_ended_goes_on_and_holds_the_lock_again(
    store: SqlStore, postgres: Postgres, database: str
) -> None:
    before = holders(postgres, database)
    cut(postgres, database)
    assert holders(postgres, database) == []
    store.set_standing(FINDING)
    assert store.standing("shop") == (FINDING,)
    after = holders(postgres, database)
    assert len(before) == len(after) == 1
    assert before != after
    with pytest.raises(StoreError):
        SqlStore.open(postgres.url(database))


def test_a_connection_that_only_the_server_still_believes_in_is_no_other_service(
    store: SqlStore, postgres: Postgres, database: str
) -> None:
    """The machine's own end is gone, as after a cut in the network: the server's session keeps the lock until it is noticed."""
    before = holders(postgres, database)
    servers_end = half_open(store)
    until(lambda: has_set(store), "the session is ended, and the lock taken again")  # the server may take its time for it
    assert store.standing("shop") == (FINDING,)
    after = holders(postgres, database)
    assert len(after) == 1
    assert before != after
    os.close(servers_end)


def has_set(store: SqlStore) -> bool:
    try:
        store.set_standing(FINDING)
    except StoreError:
        return False
    return True


def half_open(store: SqlStore) -> int:
    """Give the lock's session a dead socket. What is returned keeps the true one open, so that the server sees no end of it."""
    assert isinstance(store._lock, DatabaseLock)
    assert store._lock._connection is not None
    number: int = store._lock._connection.connection.dbapi_connection.fileno()  # type: ignore[union-attr]  # psycopg's
    kept = os.dup(number)
    ours, theirs = socket.socketpair()
    theirs.close()
    os.dup2(ours.fileno(), number)
    ours.close()
    return kept


def test_a_service_that_another_has_replaced_writes_nothing_until_that_one_is_gone(
    store: SqlStore, postgres: Postgres, database: str
) -> None:
    cut(postgres, database)
    other = SqlStore.open(postgres.url(database))
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            store.set_standing(FINDING)
        assert caught.value.hint
    assert other.standing("shop") == ()
    other.close()
    until(lambda: not holders(postgres, database), "the other's session is gone")
    store.set_standing(FINDING)
    assert store.standing("shop") == (FINDING,)


def test_a_service_whose_server_was_away_goes_on(store: SqlStore, postgres: Postgres, database: str) -> None:
    postgres.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    cut(postgres, database)
    with pytest.raises(StoreError):
        store.set_standing(FINDING)
    postgres.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    store.set_standing(FINDING)
    assert len(holders(postgres, database)) == 1


def test_kill_9_of_a_service_lets_the_next_one_start(postgres: Postgres, database: str, tmp_path: Path) -> None:
    config = tmp_path / "repwatch.toml"
    config.write_text(CONFIG.format(url=postgres.url(database)))
    command = [sys.executable, "-m", "repwatch", "run", "--config", str(config)]
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: bool(read_views(postgres.url(database))), "the service has looked once")
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT)
        assert second.returncode == 2
        assert "Traceback" not in second.stderr
        assert "[store] url" in second.stderr
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    until(lambda: not holders(postgres, database), "the killed one's session is gone")
    SqlStore.open(postgres.url(database)).close()


def test_an_account_that_may_make_no_tables_is_told_so(postgres: Postgres) -> None:
    name = postgres.new_database()
    postgres.sql(f"ALTER DATABASE {name} OWNER TO postgres")
    with pytest.raises(StoreError) as caught:
        SqlStore.open(postgres.url(name))
    assert caught.value.hint
    postgres.drop(name)


def test_a_server_that_is_not_there_is_told_of_on_one_line(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://{ROLE}:geheim@/x?host={tmp_path}"
    for use in (SqlStore.open, read_views):
        with pytest.raises(StoreError) as caught:
            use(url)
        assert caught.value.hint
        assert "\n" not in str(caught.value)
        assert "geheim" not in str(caught.value)

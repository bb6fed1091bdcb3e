"""Files that a session offers to a server: rows arrive, nothing else is given away, and nobody waits for ever."""

import threading
import time
from collections.abc import Iterator

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import OutcomeUnknown, StatementRefused
from repwatch.sandbox import Sandbox
from repwatch.sql.quoting import quote_text

COUNT = 20_000  # rows, more than a pipe holds


@pytest.fixture
def db(star: Sandbox, schema: str) -> Iterator[Session]:
    """A session on the source, which takes files as long as it is open."""
    with star.source.connect() as session:
        before = session.scalar("SELECT @@GLOBAL.local_infile")
        session.execute("SET GLOBAL local_infile = 1")
        session.execute(f"USE {schema}")
        session.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))")
        yield session
    star.source.sql(f"SET GLOBAL local_infile = {before}")


def into(table: str) -> str:
    return f"INTO TABLE {table} CHARACTER SET binary"


def rows(count: int = COUNT) -> bytes:
    return b"".join(b"%d\tvalue of %d\n" % (number, number) for number in range(count))


def feeders() -> int:
    return sum(thread.name == "feed a server" for thread in threading.enumerate())


def test_rows_arrive_as_often_as_one_likes(db: Session) -> None:
    for _ in range(3):
        assert db.load(lambda file: f"LOAD DATA LOCAL INFILE {quote_text(file)} {into('t')}", rows()) == COUNT
        assert db.warnings() == []
        assert db.text_row("SELECT COUNT(*), MAX(v) FROM t") == (str(COUNT), "value of 9999")
        db.execute("TRUNCATE TABLE t")
    assert feeders() == 0


def test_a_server_gets_no_other_file(db: Session) -> None:
    # The server asks for the name that stands in the statement; it could ask for any other as well.
    with pytest.raises(StatementRefused):
        db.load(lambda _: f"LOAD DATA LOCAL INFILE '/etc/hostname' {into('t')}", rows())
    assert db.scalar("SELECT COUNT(*) FROM t") == "0"
    with pytest.raises(StatementRefused):
        db.execute(f"LOAD DATA LOCAL INFILE '/etc/hostname' {into('t')}")
    assert feeders() == 0


def test_a_session_that_never_offered_a_file_gives_none(star: Sandbox, db: Session) -> None:
    with star.source.connect() as other, pytest.raises(StatementRefused):
        other.execute(f"LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE {db.scalar('SELECT DATABASE()')}.t")


def test_what_is_refused_leaves_the_session_as_it_was(db: Session) -> None:
    with pytest.raises(StatementRefused):
        db.load(lambda file: f"LOAD DATA LOCAL INFILE {quote_text(file)} {into('no_such_table')}", rows())
    db.execute("SET GLOBAL local_infile = 0")
    with pytest.raises(StatementRefused):
        db.load(lambda file: f"LOAD DATA LOCAL INFILE {quote_text(file)} {into('t')}", rows())
    db.execute("SET GLOBAL local_infile = 1")
    with pytest.raises(ValueError, match="too few"):
        db.load(lambda file: f"LOAD DATA LOCAL INFILE {quote_text(file)} {into('t')}", b"1\tone\n")
    assert db.load(lambda file: f"LOAD DATA LOCAL INFILE {quote_text(file)} {into('t')}", rows()) == COUNT
    assert feeders() == 0


def test_a_connection_that_is_cut_in_the_middle_is_told(star: Sandbox, db: Session) -> None:
    """The load waits for a lock, its file half read; then the connection is gone."""
    schema = db.scalar("SELECT DATABASE()")
    with star.source.connect() as holder, star.source.connect() as loading:
        holder.execute("START TRANSACTION")
        holder.execute(f"INSERT INTO {schema}.t VALUES (5000, 'in the way')")
        killer = threading.Thread(target=_kill_when_it_waits, args=(db, loading.connection_id))
        killer.start()
        with pytest.raises(OutcomeUnknown):
            loading.load(lambda file: f"LOAD DATA LOCAL INFILE {quote_text(file)} {into(f'{schema}.t')}", rows(200_000))
        killer.join()
    assert feeders() == 0


def _kill_when_it_waits(db: Session, connection: int) -> None:
    deadline = time.monotonic() + 60
    waiting = (
        f"SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id = {connection}"
    )
    while db.scalar(waiting) != "1":
        assert time.monotonic() < deadline
        time.sleep(0.3)  # who asks more often than ten times a second gets the old answer again
    db.execute(f"KILL CONNECTION {connection}")

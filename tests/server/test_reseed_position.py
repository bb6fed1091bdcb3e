"""The GTID state of a replica whose data was made another one."""

from repwatch.adapters.mysql.session import Session
from repwatch.flows.reseed_attach import set_position
from repwatch.sandbox import Sandbox
from repwatch.sql import replication
from repwatch.sql import reseed as sql
from tests.server.reseeding import put_back


def test_the_history_is_another_one_and_innodb_was_flushed_before(star: Sandbox) -> None:
    """MariaDB's RESET MASTER waits for the next flush, which otherwise comes within a second."""
    star.source.sql("CREATE DATABASE late", "DROP DATABASE late")
    star.wait_caught_up(60)
    with star.replicas[0].connect() as db:
        position = db.scalar(replication.executed(db.version))
        assert position
        lax = db.scalar("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")
        db.execute(replication.stop_channel(db.version, ""))
        try:
            db.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
            db.execute("SET SESSION sql_log_bin = 0")
            for statement in (*sql.CREATE_MARKER, sql.write_marker({"run": "of this test"})):
                db.execute(statement)
            if db.version.is_mariadb:
                written = log_sequence(db, "current")
                db.execute(sql.MARIADB_FLUSH)
                assert log_sequence(db, "flushed") >= written
            set_position(db, position, log_bin=True)
            assert db.scalar(replication.executed(db.version)) == position
            if db.version.is_mariadb:
                assert db.scalar(sql.MARIADB_HISTORY) == ""
        finally:
            db.execute(f"SET GLOBAL innodb_flush_log_at_trx_commit = {lax}")
            put_back(db)
            db.execute(replication.start_channel(db.version, ""))
    star.source.sql("CREATE DATABASE late", "DROP DATABASE late")
    star.wait_caught_up(60)


def log_sequence(db: Session, what: str) -> int:
    """How far InnoDB's log is written, or flushed, in bytes."""
    return int(db.text_row(f"SHOW GLOBAL STATUS LIKE 'Innodb_lsn_{what}'")[1] or 0)

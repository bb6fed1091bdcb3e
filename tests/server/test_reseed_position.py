"""The GTID state of a replica whose data was made another one."""

from repwatch.flows.reseed_attach import set_position
from repwatch.ports.database import Timeouts
from repwatch.sandbox import Sandbox
from repwatch.sql import replication
from repwatch.sql import reseed as sql
from tests.server.reseeding import put_back


def test_a_history_is_reset_without_waiting_for_a_flush_that_comes_late(star: Sandbox) -> None:
    """MariaDB's RESET MASTER waits until InnoDB has flushed its log, which here comes after three quarters of an hour."""
    star.source.sql("CREATE DATABASE late", "DROP DATABASE late")
    star.wait_caught_up(60)
    with star.replicas[0].connect(timeouts=Timeouts(connect=30, read=120)) as db:
        position = db.scalar(replication.executed(db.version))
        assert position
        lax, late = db.text_row("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.innodb_flush_log_at_timeout")
        db.execute(replication.stop_channel(db.version, ""))
        db.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2, GLOBAL innodb_flush_log_at_timeout = 2700")
        try:
            db.execute("SET SESSION sql_log_bin = 0")
            for statement in sql.CREATE_MARKER:
                db.execute(statement)
            db.execute(sql.write_marker({"run": "of this test"}))
            set_position(db, position, log_bin=True)
            assert db.scalar(replication.executed(db.version)) == position
            if db.version.is_mariadb:
                assert db.scalar(sql.MARIADB_HISTORY) == ""
        finally:
            with star.replicas[0].connect() as other:
                other.execute(f"SET GLOBAL innodb_flush_log_at_trx_commit = {lax}, GLOBAL innodb_flush_log_at_timeout = {late}")
                put_back(other)
                other.execute(replication.start_channel(other.version, ""))
    star.source.sql("CREATE DATABASE late", "DROP DATABASE late")
    star.wait_caught_up(60)

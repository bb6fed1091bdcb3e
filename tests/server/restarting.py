"""A row of a replica that somebody holds, so that the applier stops on it: the error that passes by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer, statements
from tests.conftest import start
from tests.server.diagnosing import words
from tests.server.watching import until


@contextmanager
def one_replica(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with one replica, a table with a row in it, and an applier that tries once."""
    with start(flavour, replicas=1) as box:
        _set_up(box)
        yield box


def _set_up(box: Sandbox) -> None:
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, n INT)", "INSERT INTO w.t VALUES (1, 0)")
    box.wait_caught_up(60)
    retries = "slave_transaction_retries" if box.flavour is Flavour.MARIADB else "replica_transaction_retries"
    for replica in box.replicas:
        replica.sql(f"SET GLOBAL {retries} = 0")


def lock_wait(box: Sandbox, replica: SandboxServer, seconds: int) -> None:
    """For how long the replica's applier waits for a row."""
    word = words(box.flavour)
    replica.sql(f"SET GLOBAL innodb_lock_wait_timeout = {seconds}", f"STOP {word}", f"START {word}")
    box.wait_connected(60)


# Who asks more often than ten times a second gets the old answer again.
_WAITING = "DO SLEEP(0.2)", "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"


@contextmanager
def row_held(box: Sandbox, replica: SandboxServer) -> Iterator[None]:
    """The source changes a row that a session on the replica holds meanwhile; the applier has come to it."""
    with replica.connect() as holder:
        holder.execute("START TRANSACTION")
        holder.query("SELECT * FROM w.t FOR UPDATE")
        box.source.sql("SET SESSION binlog_format = ROW", "UPDATE w.t SET n = n + 1")
        until(lambda: replica.sql(*_WAITING) != [("0",)] or shown(replica)["applier"] == "No", "the applier waits for the row")
        yield
        holder.execute("ROLLBACK")


def shown(replica: SandboxServer) -> dict[str, str]:
    """receiver, applier (as the server says), and their errors."""
    with replica.connect() as session:
        row = session.texts(statements.status(replica.flavour))[0]
    names = {"receiver": "IO_Running", "applier": "SQL_Running"}
    found = {name: row.get(f"Slave_{column}") or row.get(f"Replica_{column}") or "" for name, column in names.items()}
    return found | {"receiver_errno": row.get("Last_IO_Errno") or "", "applier_errno": row.get("Last_SQL_Errno") or ""}


def until_applier_stops(replica: SandboxServer, errno: int) -> None:
    """Wait until the server shows it."""
    wanted = {"applier": "No", "applier_errno": str(errno)}
    until(lambda: shown(replica).items() >= wanted.items(), f"the applier has stopped on {errno}")


def starts(replica: SandboxServer) -> int:
    """How many START the server has been sent."""
    names = "('Com_replica_start', 'Com_slave_start', 'Com_start_slave', 'Com_start_all_slaves')"
    return sum(int(value or 0) for _, value in replica.sql(f"SHOW GLOBAL STATUS WHERE Variable_name IN {names}"))

"""What goes wrong in the story, done by hand on the replicas, as people and programs do it."""

import time
from dataclasses import dataclass
from datetime import UTC

from repwatch.adapters.clock import SystemClock
from repwatch.model.server import Flavour
from repwatch.sandbox.server import SandboxServer
from repwatch.sandbox.topology import Sandbox

COLLIDING_KEY = 900_000_001
# Old orders, which the writer leaves alone: what is wrong stays wrong until repwatch mends it.
# Every fifteenth was 'open' and has a shipping date, so that the same bytes change at the same distance from the end of each row.
DRIFTED_KEYS = tuple(range(1005, 1005 + 15 * 200, 15))
GONE_KEYS = (2001, 2002, 2003)
HALT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Halt:
    """A replica that has stopped: when (monotonic seconds, and the day in UTC), and on which transaction."""

    at: float
    day: str
    transaction: str


def collide(box: Sandbox) -> Halt:
    """Write a row on the first replica, then the same key on the source; wait until the applier has stopped."""
    replica = box.replicas[0]
    columns = [
        name
        for (name,) in replica.sql(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'orders' "
            "AND COLUMN_NAME <> 'id' ORDER BY ORDINAL_POSITION"
        )
    ]
    rest = ", ".join(f"`{name}`" for name in columns)
    insert = f"INSERT INTO shop.orders (id, {rest}) SELECT {COLLIDING_KEY}, {rest} FROM shop.orders WHERE id = 1"
    _by_hand(replica, insert)
    box.source.sql(insert)
    deadline = time.monotonic() + HALT_SECONDS
    while not (transaction := _failed_transaction(replica)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{replica.name} did not stop")
        time.sleep(0.02)
    return Halt(time.monotonic(), SystemClock().now().astimezone(UTC).strftime("%Y-%m-%d"), transaction)


def _failed_transaction(replica: SandboxServer) -> str:
    with replica.connect() as session:
        if replica.flavour is Flavour.MARIADB:
            status = session.texts("SHOW ALL SLAVES STATUS")[0]
            if status["Slave_SQL_Running"] != "No" or status["Last_SQL_Errno"] != "1062":
                return ""
            applied = session.scalar("SELECT @@GLOBAL.gtid_slave_pos") or ""
            domain, server, number = applied.split("-")
            return f"{domain}-{server}-{int(number) + 1}"  # one domain, one writer: numbers follow each other
        return (
            (
                session.scalar(
                    "SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker "
                    "WHERE LAST_ERROR_NUMBER = 1062 LIMIT 1"
                )
                or ""
            )
            .partition("transaction '")[2]
            .partition("'")[0]
        )


def change_status(replica: SandboxServer) -> None:
    """200 orders become 'paid' without a trace in the replica's binary log."""
    _by_hand(replica, f"UPDATE shop.orders SET status = 'paid' WHERE id IN ({_list(DRIFTED_KEYS)})")


def lose_rows(replica: SandboxServer) -> None:
    """Three orders vanish."""
    _by_hand(replica, f"DELETE FROM shop.orders WHERE id IN ({_list(GONE_KEYS)})")


def naive_checksum(replica: SandboxServer) -> str:
    """What the common checksum, XOR of the rows' CRC32, says of the orders that change."""
    return str(
        replica.sql(
            "SELECT BIT_XOR(CRC32(CONCAT_WS('#', id, customer_id, status, total, placed, shipped, HEX(token)))) "
            f"FROM shop.orders WHERE id BETWEEN {DRIFTED_KEYS[0]} AND {DRIFTED_KEYS[-1]}"
        )
    )


def _list(keys: tuple[int, ...]) -> str:
    return ", ".join(map(str, keys))


def _by_hand(replica: SandboxServer, *statements: str) -> None:
    """As root, with the binary log off and the replica's write protection lifted for the moment, as is done in a hurry."""
    lift = replica.flavour is Flavour.MYSQL
    replica.sql(
        *(("SET GLOBAL super_read_only = 0",) if lift else ()),
        "SET SESSION sql_log_bin = 0, foreign_key_checks = 0",
        *statements,
        *(("SET GLOBAL super_read_only = 1",) if lift else ()),
    )

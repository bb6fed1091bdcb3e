"""Ways to break a sandbox, and to mend what can be mended, each by a name. Each says in one line what it did."""

import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from repwatch.errors import Refused
from repwatch.model.server import Flavour
from repwatch.sandbox import statements
from repwatch.sandbox.server import SandboxServer
from repwatch.sandbox.shop import SCHEMA
from repwatch.sandbox.topology import Sandbox

PURGE_SECONDS = 30

Breakage = Callable[[Sandbox, SandboxServer], str]


def applier_duplicate(box: Sandbox, replica: SandboxServer) -> str:
    """A row is written on the replica by hand; the source then writes the same key (1062)."""
    _need_shop(box)
    key = int(box.source.sql(f"SELECT MAX(id) FROM {SCHEMA}.customers")[0][0] or 0) + 1_000_000
    insert = (
        f"INSERT INTO {SCHEMA}.customers (id, name, email, preferences, created) "
        f"VALUES ({key}, 'by hand', 'by-hand-{key}@example.com', '{{}}', NOW(6))"
    )
    replica.sql("SET SESSION sql_log_bin = 0", insert)
    box.source.sql(insert)
    return f"{SCHEMA}.customers id {key} was written on {replica.name} by hand, then on {box.source.name}"


def applier_missing(box: Sandbox, replica: SandboxServer) -> str:
    """A row vanishes on the replica; the source then changes it (1032)."""
    _need_shop(box)
    key = box.source.sql(f"SELECT MIN(id) FROM {SCHEMA}.orders")[0][0]
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {SCHEMA}.orders WHERE id = {key}")
    row_format = "SET SESSION binlog_format = ROW"  # a statement that finds no row to change raises nothing
    box.source.sql(row_format, f"UPDATE {SCHEMA}.orders SET total = total + 1 WHERE id = {key}")
    return f"{SCHEMA}.orders id {key} was deleted on {replica.name} by hand, then changed on {box.source.name}"


def stop_applier(box: Sandbox, replica: SandboxServer) -> str:
    """The applier is stopped, as by a person."""
    replica.sql(statements.stop(box.flavour, applier=True))
    return f"the applier of {replica.name} was stopped"


def stop_receiver(box: Sandbox, replica: SandboxServer) -> str:
    """The receiver is stopped, as by a person."""
    replica.sql(statements.stop(box.flavour, applier=False))
    return f"the receiver of {replica.name} was stopped"


def purge_logs(box: Sandbox, replica: SandboxServer) -> str:
    """While the receiver is stopped, the source deletes a binary log that the replica needs (1236)."""
    _need_shop(box)
    replica.sql(statements.stop(box.flavour, applier=False))
    box.source.sql(f"UPDATE {SCHEMA}.orders SET total = total + 1 ORDER BY id LIMIT 1", "FLUSH BINARY LOGS")
    deadline = time.monotonic() + PURGE_SECONDS
    while len(logs := box.source.sql("SHOW BINARY LOGS")) > 1:  # it keeps a log that it still sends, or may need for recovery
        if time.monotonic() > deadline:
            raise Refused(f"{box.source.name} kept its binary logs", hint="another replica may still read them; try again")
        box.source.sql(f"PURGE BINARY LOGS TO '{logs[-1][0]}'")
        time.sleep(0.1)
    replica.sql(statements.start(box.flavour))
    return f"{box.source.name} has deleted binary logs that {replica.name} had not received"


def start_replication(box: Sandbox, replica: SandboxServer) -> str:
    """Receiver and applier are started."""
    replica.sql(statements.start(box.flavour))
    return f"replication was started on {replica.name}"


def writable(_: Sandbox, replica: SandboxServer) -> str:
    """The replica takes writes from everybody."""
    replica.sql("SET GLOBAL read_only = 0")
    return f"{replica.name} is writable"


def errant(box: Sandbox, replica: SandboxServer) -> str:
    """A row is written on the replica by hand, and its binary log tells of it."""
    _need_shop(box)
    replica.sql(f"UPDATE {SCHEMA}.orders SET total = total + 1 ORDER BY id DESC LIMIT 1")
    return f"{replica.name} has a transaction of its own"


def skip(box: Sandbox, replica: SandboxServer) -> str:
    """The replica leaves out a change of the source: by a skip counter, on MySQL by an empty transaction in its place."""
    _need_shop(box)
    change = f"UPDATE {SCHEMA}.orders SET total = total + 1 ORDER BY id LIMIT 1"
    if box.flavour is Flavour.MARIADB:
        replica.sql("STOP SLAVE")
        box.source.sql(change)
        replica.sql("SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE")
    else:
        replica.sql("STOP REPLICA")
        chosen = f"'{uuid4()}:1'"  # a name that no transaction beside this one can take
        box.source.sql(f"SET GTID_NEXT = {chosen}", change)
        replica.sql(f"SET GTID_NEXT = {chosen}", "BEGIN", "COMMIT", "SET GTID_NEXT = 'AUTOMATIC'", "START REPLICA")
    return f"{replica.name} has skipped a change of {SCHEMA}.orders"


def idempotent(box: Sandbox, replica: SandboxServer) -> str:
    """The replica's applier passes over rows that are missing or there already."""
    variable = "slave_exec_mode" if box.flavour is Flavour.MARIADB else "replica_exec_mode"
    replica.sql(f"SET GLOBAL {variable} = IDEMPOTENT")
    return f"{replica.name} applies in mode IDEMPOTENT"


def drift(box: Sandbox, replica: SandboxServer) -> str:
    """200 orders get another status, three vanish, one is too many, behind replication's back."""
    _need_shop(box)
    quiet = "SET SESSION sql_log_bin = 0"
    changed = f"UPDATE {SCHEMA}.orders SET status = 'paid' WHERE status = 'open' ORDER BY id LIMIT 200"
    gone = f"DELETE FROM {SCHEMA}.orders WHERE status = 'packed' ORDER BY id LIMIT 3"
    extra = (
        f"INSERT INTO {SCHEMA}.orders (id, customer_id, total, placed, token) "
        f"SELECT MAX(id) + 1000000, 1, 1, NOW(6), REPEAT('x', 16) FROM {SCHEMA}.orders"
    )
    replica.sql(quiet, changed, gone, extra)
    return f"{replica.name}: 200 orders changed, 3 gone, 1 too many in {SCHEMA}.orders"


def kill_server(_: Sandbox, server: SandboxServer) -> str:
    """The process ends at once (SIGKILL)."""
    server.kill()
    return f"{server.name} was killed"


def stop_server(_: Sandbox, server: SandboxServer) -> str:
    """The server shuts down in order."""
    server.stop()
    return f"{server.name} was shut down"


def start_server(_: Sandbox, server: SandboxServer) -> str:
    """A server that was killed or shut down starts again, on its old port."""
    server.start()
    return f"{server.name} runs again"


def freeze_server(_: Sandbox, server: SandboxServer) -> str:
    """The process stops in its tracks (SIGSTOP): its port takes connections, and nothing answers."""
    server.freeze()
    return f"{server.name} is frozen"


def thaw_server(_: Sandbox, server: SandboxServer) -> str:
    """A frozen process goes on."""
    server.thaw()
    return f"{server.name} goes on"


ON_A_REPLICA: Mapping[str, Breakage] = {
    "applier-duplicate": applier_duplicate,
    "applier-missing": applier_missing,
    "stop-applier": stop_applier,
    "stop-receiver": stop_receiver,
    "purge-logs": purge_logs,
    "start-replication": start_replication,
    "writable": writable,
    "drift": drift,
    "errant": errant,
    "skip": skip,
    "idempotent": idempotent,
}
ON_A_SERVER: Mapping[str, Breakage] = {
    "kill-server": kill_server,
    "stop-server": stop_server,
    "start-server": start_server,
    "freeze-server": freeze_server,
    "thaw-server": thaw_server,
}
BREAKAGES = {**ON_A_REPLICA, **ON_A_SERVER}


def apply(box: Sandbox, name: str, server_name: str | None) -> str:
    """Carry out one of BREAKAGES on a server, by default the first replica; what was done. Raises Refused."""
    server = box.server(server_name) if server_name else (box.replicas or box.servers)[0]
    if name in ON_A_REPLICA and server not in box.replicas:
        raise Refused(f"{server.name} is no replica", hint="name one with --server")
    return BREAKAGES[name](box, server)


def _need_shop(box: Sandbox) -> None:
    if box.source.sql(f"SELECT 1 FROM information_schema.tables WHERE table_schema = '{SCHEMA}' AND table_name = 'orders'"):
        return
    raise Refused(f"this needs the schema {SCHEMA}", hint="start the sandbox with --rows")

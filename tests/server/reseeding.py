"""What the tests of reseed share: a schema with everything in it, a way to break a replica, a comparison that trusts nobody."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from repwatch.adapters.binlog_tool import read_binlog
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.journal import FileJournal
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.errors import Refused
from repwatch.flows.hold import Held, channel_state, release
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.model.plan import Applied
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.database import as_text
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql import replication
from repwatch.sql.quoting import quote_table
from repwatch.sql.replication import SourceLogin
from repwatch.sql.reseed import MARKER_SCHEMA

CLOCK = SystemClock()


class Enough(Exception):
    """The test ends the run here."""


def stop_at(phase: Phase) -> Callable[[Progress], None]:
    """What ends a run when it gets to a phase."""

    def stop(progress: Progress) -> None:
        if progress.phase is phase:
            raise Enough

    return stop


def put_back(db: Session) -> None:
    """Take a hold, a marker and leave to write from a replica, whatever a test left of them."""
    with suppress(Refused):
        if channel_state(db, "").held:
            release(db, "", Held(delay=0, receiver=True, applier=True))
        elif channel_state(db, "").delay:
            delay_by(db, 0)
    db.execute("SET SESSION sql_log_bin = 0")
    db.execute(f"DROP DATABASE IF EXISTS {MARKER_SCHEMA}")
    db.execute("SET GLOBAL read_only = 1")


def delay_by(db: Session, seconds: int) -> None:
    """Let a replica that runs be behind on purpose."""
    db.execute(replication.stop_channel(db.version, ""))
    db.execute(replication.set_delay(db.version, "", seconds))
    db.execute(replication.start_channel(db.version, ""))


def put_all_back(star: Sandbox) -> None:
    """As `put_back`, on each replica; then all replicate again."""
    for server in star.replicas:
        with server.connect() as db:
            put_back(db)
    star.wait_caught_up(60)


def request(
    box: Sandbox,
    replica: SandboxServer,
    source: ServerSpec | None = None,
    *,
    login: bool = False,
    method: Method | None = None,
    tables: tuple[TableName, ...] = (),
) -> ReseedRequest:
    return ReseedRequest(
        source=source or box.source.spec(),
        replica=ReplicaTarget(server=replica.spec()),
        others=tuple(server.spec() for server in box.replicas if server is not replica),
        login=replication_login(box) if login else None,
        method=method,
        tables=tables,
    )


def replication_login(box: Sandbox) -> SourceLogin:
    password = box.credentials.secret(Account.REPLICATION).text
    return SourceLogin(address=box.source.address, user=Account.REPLICATION.value, password=password)


def tools(folder: Path, progress: object = None) -> Tools:
    def silent(_: Progress) -> None:
        return

    return Tools(
        connect=Session.connect,
        clock=CLOCK,
        journal=FileJournal(folder / "journal.jsonl"),
        holds=FileRecords(folder),
        progress=progress if callable(progress) else silent,
        read_binlog=read_binlog,
    )


def reseed(asked: ReseedRequest, folder: Path, progress: object = None) -> Applied:
    proposal = plan_reseed(asked, Session.connect, CLOCK)
    return apply_reseed(asked, tools(folder, progress), proposal.plan.plan_hash)


def break_with_1062(box: Sandbox, replica: SandboxServer, table: str, key: int) -> None:
    """A row that was written on the replica by hand collides with the source's."""
    replica.sql("SET SESSION sql_log_bin = 0", f"INSERT INTO {table} (id) VALUES ({key})")
    box.source.sql(f"INSERT INTO {table} (id) VALUES ({key})")
    deadline = time.monotonic() + 60
    while last_error(box.flavour, replica) != "1062" or applies(replica):  # a worker tells its error before the applier has ended
        assert time.monotonic() < deadline
        time.sleep(0.05)


def applies(replica: SandboxServer) -> bool:
    with replica.connect() as db:
        return channel_state(db, "").applier_running


def last_error(flavour: Flavour, replica: SandboxServer) -> str | None:
    with replica.connect() as db:
        status = "SHOW SLAVE STATUS" if flavour is Flavour.MARIADB else "SHOW REPLICA STATUS"
        return db.texts(status)[0]["Last_SQL_Errno"]


@contextmanager
def writer(box: Sandbox, *statements: str, server: SandboxServer | None = None) -> Iterator[None]:
    """Somebody who keeps writing on the source, or another server; a statement that fails fails the test."""
    stop = threading.Event()
    trouble: list[Exception] = []

    def write() -> None:
        try:
            with (server or box.source).connect() as db:
                while not stop.is_set():
                    for statement in statements:
                        db.execute(statement)
                    time.sleep(0.002)
        except Exception as error:  # noqa: BLE001 - it is told below
            trouble.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not trouble


def contents(server: SandboxServer, *schemas: str) -> dict[str, object]:
    """All rows in hexadecimal, generated and hidden columns too, and all definitions that replicate."""
    with server.connect() as db:
        if not db.version.is_mariadb:
            db.execute("SET SESSION show_gipk_in_create_table_and_information_schema = ON")
        return dict(_contents(db, *schemas))


def _contents(db: Session, *schemas: str) -> Iterator[tuple[str, object]]:
    names = ", ".join(f"'{schema}'" for schema in schemas)
    columns: dict[str, list[str]] = {}
    for row in db.texts(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS c, DATA_TYPE AS d FROM information_schema.COLUMNS "
        f"WHERE TABLE_SCHEMA IN ({names}) ORDER BY 1, 2, ORDINAL_POSITION"
    ):
        # HEX of a number rounds it; as a DOUBLE with all its digits it does not.
        expression = f"`{row['c']}` * 1e0" if row["d"] == "float" else f"`{row['c']}`"
        text = expression if row["d"] in ("float", "double", "bigint", "int") else f"HEX({expression})"
        name = quote_table(TableName(row["s"] or "", row["t"] or ""))
        columns.setdefault(name, []).append(text)
    for table, expressions in columns.items():
        yield f"rows of {table}", sorted(db.query(f"SELECT {', '.join(expressions)} FROM {table}").rows, key=repr)
    for kind, listing in _LISTINGS.items():
        for first, second in db.query(listing.format(names=names)).rows:
            schema, name = as_text(first) or "", as_text(second) or ""
            shown = db.texts(f"SHOW CREATE {kind} {quote_table(TableName(schema, name))}")[0]
            shown.pop("Created", None)  # the moment at which a trigger was made
            yield f"{kind} {schema}.{name}", shown


_ROUTINES = "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN ({names})"
_LISTINGS = {
    "TABLE": "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({names})",
    "TRIGGER": "SELECT TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ({names})",
    "PROCEDURE": _ROUTINES + " AND ROUTINE_TYPE = 'PROCEDURE'",
    "FUNCTION": _ROUTINES + " AND ROUTINE_TYPE = 'FUNCTION'",
}


def healthy(box: Sandbox, replica: SandboxServer) -> None:
    """It replicates, is read-only as before, and nothing is left of the reseed on either server."""
    box.wait_caught_up(60)
    assert (MARKER_SCHEMA,) not in replica.sql("SHOW DATABASES")
    assert replica.sql("SELECT @@GLOBAL.read_only") == [("1",)]
    deadline = time.monotonic() + 60
    with box.source.connect() as db:
        while db.texts(f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{Account.OPERATOR}'"):
            assert time.monotonic() < deadline, "a session is left"
            time.sleep(0.05)  # a server may notice late that one has ended


def command(configuration: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "repwatch", "reseed", *words, "--config", str(configuration)]


def run_command(configuration: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(configuration, *words), capture_output=True, text=True, timeout=200, check=False, stdin=subprocess.DEVNULL
    )


def journal_events(path: Path) -> list[tuple[str, str]]:
    """(event, step) of each whole line."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [(entry["event"], entry.get("step", "")) for entry in map(json.loads, lines)]


# One statement a paragraph; @s@ is the schema.
EVERYTHING = r"""
CREATE TABLE @s@.parent (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) CHARACTER SET latin1, n INT DEFAULT 0)

CREATE TABLE @s@.child (a VARCHAR(20) COLLATE utf8mb4_general_ci, b INT, parent INT, PRIMARY KEY (a, b), KEY (parent),
  FOREIGN KEY (parent) REFERENCES @s@.parent (id) ON DELETE CASCADE)

CREATE TABLE @s@.`odd ``name` (id INT PRIMARY KEY, v INT, w INT GENERATED ALWAYS AS (v * 2) STORED, x INT GENERATED
  ALWAYS AS (v + 1) VIRTUAL, secret INT INVISIBLE DEFAULT 5)

CREATE TABLE @s@.kinds (id BIGINT AUTO_INCREMENT PRIMARY KEY, f FLOAT, f2 FLOAT(7,2), d DOUBLE, dec_ DECIMAL(30,10),
  bits BIT(13), flag BIT(1), bin BINARY(8), vb VARBINARY(40), blob_ LONGBLOB, txt TEXT CHARACTER SET latin1, u TEXT
  CHARACTER SET utf8mb4, u2 VARCHAR(30) CHARACTER SET ucs2, j JSON, e ENUM('a','ä',''), s SET('x','y z'), g GEOMETRY, dt
  DATE, dtm DATETIME(6), ts TIMESTAMP(3) NULL, tm TIME(6), y YEAR, ub BIGINT UNSIGNED)

INSERT INTO @s@.kinds VALUES (0, 1.1, 1.1, -0e0, -12345678901234567890.0123456789, b'1010101010101', b'0', 0x00FF,
  0xDEADBEEF00, 0x5C27000A0D1A22FF, _latin1 0xE4F6FC, 'quote '' back \\ nul \0 smile 😀', 'ucs', '{"k": [1, 1.5, "ü",
  null]}', 'ä', 'x,y z', ST_GeomFromText('POINT(1 2)'), '0000-00-00', '2024-02-31 00:00:00', '2024-01-01 00:00:00.123',
  '-838:59:59', 0, 18446744073709551615)

INSERT INTO @s@.kinds (id, f, d, e, u, blob_, y) VALUES (-5, 3.4e38, 1.7976931348623157e308, '', '', '', 1999)

INSERT INTO @s@.kinds (f, d, dt) VALUES (1e-40, 5e-324, '2024-00-00'), (1.2345678, 0.1, NULL), (-0e0, -0e0, NULL)

INSERT INTO @s@.parent (name) VALUES ('one'), (_latin1 0xFC), (NULL)

INSERT INTO @s@.child VALUES ('a', 1, 1), ('ö', 1, 1), ('b', -7, 2), ('', 0, NULL)

INSERT INTO @s@.`odd ``name` (id, v, secret) VALUES (1, 10, 99), (2, NULL, 7)

CREATE TABLE @s@.counted (id INT PRIMARY KEY, n INT NOT NULL)

INSERT INTO @s@.counted VALUES (1, 0)

CREATE TRIGGER @s@.count_two AFTER INSERT ON @s@.parent FOR EACH ROW UPDATE counted SET n = n + 10 WHERE id = 1

CREATE TRIGGER @s@.count_one AFTER INSERT ON @s@.parent FOR EACH ROW UPDATE counted SET n = n * 2 WHERE id = 1

CREATE VIEW @s@.z_base AS SELECT id, name FROM @s@.parent

CREATE VIEW @s@.a_on_top AS SELECT id, @s@.plus(id) AS p FROM @s@.z_base

CREATE EVENT @s@.tick ON SCHEDULE EVERY 1 DAY COMMENT 'ENABLE; DISABLE' DO UPDATE @s@.counted SET n = n

CREATE EVENT @s@.off ON SCHEDULE EVERY 1 DAY DISABLE DO UPDATE @s@.counted SET n = n
"""


def make_everything(box: Sandbox, schema: str) -> None:
    with box.source.connect() as db:
        db.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
        made_function = False
        for statement in EVERYTHING.strip().split("\n\n"):
            if "a_on_top" in statement and not made_function:
                _make_routines(db, schema)
                made_function = True
            db.execute(statement.replace("@s@", schema))
        if db.version.is_mariadb:
            db.execute(f"CREATE SEQUENCE {schema}.seq START WITH 5 INCREMENT BY 3 CACHE 10")
            db.query(f"SELECT NEXTVAL({schema}.seq)")
            db.execute(f"CREATE TABLE {schema}.plain (id INT PRIMARY KEY, i INET6, u UUID)")
            db.execute(f"INSERT INTO {schema}.plain VALUES (1, '2001:db8::1', '123e4567-e89b-12d3-a456-426655440000')")
    box.wait_caught_up(60)


def _make_routines(db: Session, schema: str) -> None:
    db.execute(f"USE {schema}")
    db.execute("SET SESSION sql_mode = 'ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
    db.execute("""CREATE PROCEDURE "in ansi"() SQL SECURITY INVOKER SELECT 'text', "id", 'ü' FROM "parent" """)
    db.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', collation_connection = utf8mb4_bin")
    db.execute("CREATE FUNCTION plus(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x + 1")
    db.execute("CREATE DEFINER = 'nobody'@'nowhere' PROCEDURE orphan() SELECT 1")
    db.execute("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci")

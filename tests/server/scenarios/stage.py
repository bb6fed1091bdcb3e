"""What a scenario is, and the stage that it is played on: a source and two replicas with one table."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.model.server import Address, Flavour
from repwatch.model.topology import ClusterSpec
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from repwatch.sql.filters import log_status
from repwatch.sql.status_rows import POINTS_ELSEWHERE
from tests.server.diagnosing import locally, words
from tests.server.freezing import FreezingProxy
from tests.server.scenarios.patrol import Patrol, Place, Threads
from tests.server.scenarios.tls import Certificates

NOT_ABOUT_LAG = timedelta(minutes=10)
BOTH = frozenset(Flavour)
_WORKERS_ERRORS = "SELECT LAST_ERROR_NUMBER FROM performance_schema.replication_applier_status_by_worker"


@dataclass
class Stage:
    """The servers, and what a scenario keeps between its parts. `cluster` is the inventory that is watched."""

    box: Sandbox
    certificates: Certificates  # of all servers
    folder: Path
    cluster: ClusterSpec = field(init=False)
    schema: str = field(init=False)
    proxy: FreezingProxy | None = None
    settings: pytest.MonkeyPatch | None = None  # of repwatch
    threads: Threads = field(default_factory=lambda: Threads("probe"))  # of repwatch
    holder: int = 0  # the connection that holds a lock

    def __post_init__(self) -> None:
        self.use(self.box)

    def use(self, box: Sandbox) -> None:
        """Play on these servers, with a new table."""
        self.box = box
        self.cluster = replace(box.cluster(poll_interval=timedelta(seconds=60)), max_lag=NOT_ABOUT_LAG)
        self.schema = f"s_{secrets.token_hex(3)}"
        self.source.sql(
            f"CREATE DATABASE {self.schema}",
            f"CREATE TABLE {self.table} (id INT PRIMARY KEY, status CHAR(1))",
            f"INSERT INTO {self.table} VALUES (1, 'N')",
        )
        box.wait_caught_up(60)

    def leave(self) -> None:
        """Take the table away."""
        self.source.sql(f"DROP DATABASE {self.schema}")
        self.box.wait_caught_up(60)

    @property
    def flavour(self) -> Flavour:
        return self.box.flavour

    @property
    def is_mariadb(self) -> bool:
        return self.flavour is Flavour.MARIADB

    @property
    def source(self) -> SandboxServer:
        return self.box.source

    @property
    def replica(self) -> SandboxServer:
        """The first replica: the one that is broken, where it is one."""
        return self.box.replicas[0]

    @property
    def other(self) -> SandboxServer:
        """The second replica."""
        return self.box.replicas[1]

    @property
    def table(self) -> str:
        """`schema.orders (id INT PRIMARY KEY, status CHAR(1))`, with the row (1, 'N')."""
        return f"{self.schema}.orders"

    def write(self, *statements: str) -> None:
        """On the source, as rows: what a statement finds may not decide whether the applier stops."""
        self.source.sql("SET SESSION binlog_format = ROW", *statements)

    def on_replica(self, *statements: str) -> None:
        """On the replica alone: nothing of it reaches a binary log."""
        locally(self.replica, *statements)

    def control(self, verb: str, thread: str = "", server: SandboxServer | None = None) -> None:
        """STOP, START or RESET of replication on the replica, in the flavour's words."""
        (server or self.replica).sql(f"{verb} {words(self.flavour)} {thread}".strip())

    def change(self, *options: str, server: SandboxServer | None = None) -> None:
        """CHANGE MASTER TO or CHANGE REPLICATION SOURCE TO with options like "PORT = 1", in between a stop and a start."""
        word = "MASTER" if self.is_mariadb else "SOURCE"
        verb = "CHANGE MASTER TO" if self.is_mariadb else "CHANGE REPLICATION SOURCE TO"
        self.control("STOP", server=server)
        (server or self.replica).sql(f"{verb} {', '.join(f'{word}_{option}' for option in options)}")
        self.control("START", server=server)

    def attach(self, server: SandboxServer, to: Address) -> None:
        """Make a server replicate from an address by GTID, from where it is."""
        login = (Account.REPLICATION.value, self.box.credentials.secret(Account.REPLICATION))
        server.sql(f"STOP {words(self.flavour)}", *sandbox_statements.attach(self.flavour, "", to, *login))

    def state(self, server: SandboxServer | None = None) -> Mapping[str, str]:
        """The replica's status, with MySQL's and MariaDB's columns under one name: receiver, applier, receiver_errno, …"""
        with (server or self.replica).connect() as session:
            rows = session.texts(sandbox_statements.status(self.flavour))
        row = rows[0] if rows else {}
        names = {"receiver": "IO_Running", "applier": "SQL_Running"}
        found = {name: row.get(f"Slave_{column}") or row.get(f"Replica_{column}") or "" for name, column in names.items()}
        errors = {"receiver_errno": "Last_IO_Errno", "applier_errno": "Last_SQL_Errno", "receiver_error": "Last_IO_Error"}
        return found | {name: row.get(column) or "" for name, column in errors.items()}

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait until a server itself shows what a scenario has done to it."""
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline, f"not shown: {what}; {self.state()}"
            time.sleep(0.05)

    def until_applier_fails(self, *errnos: int) -> None:
        """Wait until the replica's applier has stopped on one of these errors.

        Of several MySQL workers the status may show the last error, which points to another's; each worker keeps its own.
        """
        wanted = {str(errno) for errno in errnos}

        def fails() -> bool:
            state = self.state()
            shown = {state["applier_errno"]}
            if not self.is_mariadb and int(state["applier_errno"] or 0) in POINTS_ELSEWHERE:
                shown |= {str(number) for (number,) in self.replica.sql(_WORKERS_ERRORS)}
            return state["applier"] == "No" and bool(shown & wanted)

        self.until(f"applier error {errnos}", fails)

    def until_receiver_fails(self, server: SandboxServer | None = None) -> None:
        """Wait until a receiver shows an error, whether it tries again or has given up."""
        self.until(
            "receiver error", lambda: (s := self.state(server))["receiver"] != "Yes" and s["receiver_errno"] not in ("", "0")
        )

    def write_what_waits(self, statement: str) -> None:
        """Write on the source, and wait until the replica's applier waits for a lock, which that needs."""
        with self.source.connect() as session:
            (status,) = session.texts(log_status(session.version))
        self.write(statement)
        thread = "SELECT 1 FROM information_schema.processlist WHERE USER = 'system user' AND STATE LIKE 'Waiting for % lock'"
        # Who asks more often than ten times a second gets the old answer again.
        row = "DO SLEEP(0.2)", "SELECT 1 FROM information_schema.innodb_trx WHERE TRX_STATE = 'LOCK WAIT'"
        self.until("the applier waits for a lock", lambda: bool(self.replica.sql(thread) or self.replica.sql(*row)))
        if not self.is_mariadb:  # else it looks as if it got on: its coordinator shows only now and then what workers did
            place = status["File"], status["Position"]
            self.until("all before is shown as applied", lambda: self._shown() == place)

    def _shown(self) -> tuple[str | None, ...]:
        """MySQL: the place in the source's log up to which the replica says that it has applied everything."""
        with self.replica.connect() as session:
            (row,) = session.texts(sandbox_statements.status(self.flavour))
        return row["Relay_Source_Log_File"], row["Exec_Source_Log_Pos"]

    def go_on(self) -> None:
        """Start what is stopped, and wait until all replicas have everything."""
        self.control("START")
        self.box.wait_connected(90)
        self.box.wait_caught_up(90)


@contextmanager
def nothing(stage: Stage) -> Iterator[None]:
    """No preparation."""
    yield


Part = Callable[[Stage], AbstractContextManager[None]]
Claims = Callable[[Stage, Patrol], None]


def places(*told: tuple[str, str]) -> Mapping[Flavour, frozenset[Place]]:
    """The same on both flavours."""
    return {flavour: frozenset(told) for flavour in Flavour}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way to break replication.

    `breaks` leaves the servers broken, in a way that they themselves show already, and puts them right when it is left. It is
    seen in the first `looks` looks; or, where servers or rules take their time, by each look that begins so much later
    (`within`, in their own terms, with a minute for a busy machine).

    `told`: what somebody is told of, exactly. `brings`: consequences that open beside it, of which nobody is told; `follows`:
    those that may. `beside`: what may be told of as well, now or when it is put right. `evidence`: what one of `told` must say.
    """

    name: str
    what: str
    breaks: Part
    told: Mapping[Flavour, frozenset[Place]]
    brings: frozenset[Place] = frozenset()
    follows: frozenset[Place] = frozenset()
    beside: frozenset[Place] = frozenset()
    evidence: Mapping[str, str] = field(default_factory=dict)
    claims: Claims | None = None
    prepare: Part = nothing
    on: frozenset[Flavour] = BOTH
    looks: int = 1
    within: timedelta = timedelta(0)
    silent: frozenset[str] = frozenset()  # names of servers that do not answer
    long: bool = False
    root: bool = False  # it needs rights that an ordinary user does not have

"""What the tests of refusals share: states in which real servers are, and all that a refused run must not have changed."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from repwatch.flows.hold import channel_states
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox.ports import ReservedPort
from repwatch.sandbox.statements import attach
from repwatch.sql.definitions import LIST_SCHEMAS
from tests.server.reseeding import contents
from tests.server.watching import until

LOCAL = "SET SESSION sql_log_bin = 0"
Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Case(Generic[Asked]):
    """A request, and the server that it would change."""

    asked: Asked
    target: SandboxServer


Make = Callable[[Sandbox, str], AbstractContextManager[Case[Asked]]]


@dataclass(frozen=True)
class State(Generic[Asked]):
    """A state of the servers, and the refusals that it must bring, by flavour; a flavour that is missing cannot be in it."""

    make: Make[Asked]
    codes: Mapping[Flavour, frozenset[str]]

    def __str__(self) -> str:
        return self.make.__name__


def both(make: Make[Asked], *codes: str) -> State[Asked]:
    return State(make, {flavour: frozenset(codes) for flavour in Flavour})


def only(flavour: Flavour, make: Make[Asked], *codes: str) -> State[Asked]:
    return State(make, {flavour: frozenset(codes)})


@contextmanager
def changed(server: SandboxServer, before: str, after: str) -> Iterator[None]:
    server.sql(before)
    try:
        yield
    finally:
        server.sql(after)


@contextmanager
def lone(flavour: Flavour, *options: str) -> Iterator[SandboxServer]:
    """A server of its own, started in another way than those of the star."""
    with Sandbox.start(flavour, replicas=0, options=options) as box:
        yield box.source


_MEMBER = "SELECT MEMBER_STATE, @@GLOBAL.super_read_only FROM performance_schema.replication_group_members"


@contextmanager
def in_group(flavour: Flavour) -> Iterator[SandboxServer]:
    """The one member of a group; MariaDB says so without Galera's library as well."""
    if flavour is Flavour.MARIADB:
        with lone(flavour, "--wsrep-on=ON", "--wsrep-provider=none", "--wsrep-cluster-address=gcomm://") as server:
            yield server
        return
    port = ReservedPort()
    settings = {
        "group_name": "'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa'",
        "local_address": f"'127.0.0.1:{port.number}'",
        "bootstrap_group": "ON",
    }
    with lone(flavour) as server:
        server.sql(
            "INSTALL PLUGIN group_replication SONAME 'group_replication.so'",
            *(f"SET GLOBAL group_replication_{name} = {value}" for name, value in settings.items()),
            "START GROUP_REPLICATION",
        )
        until(lambda: server.sql(_MEMBER) == [("ONLINE", "0")], "it is a member, and takes writes")
        yield server
    port.release()


def everything_on(server: SandboxServer) -> dict[str, object]:
    """All rows and definitions of all user schemas, the GTID state, all variables, and the channels."""
    with server.connect() as db:
        schemas = [str(row["SCHEMA_NAME"]) for row in db.texts(LIST_SCHEMAS)]
        variables = [tuple(row.values()) for row in db.texts("SHOW GLOBAL VARIABLES")]
        channels = [
            (state.channel, state.source, state.delay, state.applier_running, state.receiver_running, state.uses_gtid)
            for state in channel_states(db)
        ]
    found = contents(server, *schemas) if schemas else {}
    return {
        **found,
        "schemas": schemas,
        "channels": channels,
        "variables": variables,
    }


def inventory(star: Sandbox, *more: ServerSpec) -> ClusterSpec:
    """A configuration that names the star's source."""
    specs = (star.source.spec(), *(server.spec() for server in star.replicas))
    return ClusterSpec(name="shop", source=star.source.spec().label, servers=(*specs, *more))


@contextmanager
def another_source(star: Sandbox, *followers: SandboxServer) -> Iterator[None]:
    """Somebody has switched over to the second replica, which these servers follow now, and has told no configuration."""
    new, mariadb = star.replicas[1], star.flavour is Flavour.MARIADB
    login = (Account.REPLICATION.value, star.credentials.secret(Account.REPLICATION))
    leave = ("STOP SLAVE", "RESET SLAVE ALL") if mariadb else ("STOP REPLICA", "RESET REPLICA ALL")
    new.sql(*leave)
    try:
        for server in followers:
            if server is not star.source:
                server.sql(leave[0])
            elif mariadb:
                server.sql("SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos")
            server.sql(*attach(star.flavour, "", new.address, *login))
            _wait_connected(server, new)
        yield
    finally:
        for server in followers:
            server.sql(*leave)
            if server is star.source and mariadb:
                server.sql("SET GLOBAL gtid_slave_pos = ''")
        for server in (new, *followers):
            if server is not star.source:
                server.sql(*attach(star.flavour, "", star.source.address, *login))
        star.wait_caught_up(60)


def _wait_connected(server: SandboxServer, source: SandboxServer) -> None:
    deadline = time.monotonic() + 60
    with server.connect() as db:
        while not any(state.connected and state.source_id == source.seat.server_id for state in channel_states(db)):
            assert time.monotonic() < deadline
            time.sleep(0.05)

"""What the tests of refusals share: states in which real servers are, and all that a refused run must not have changed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from repwatch.flows.hold import channel_states
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sandbox.ports import ReservedPort
from repwatch.sql.definitions import LIST_SCHEMAS
from tests.server.reseeding import contents

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

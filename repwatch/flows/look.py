"""A look at servers for `doctor` and `init`: everything in one go, all servers at once, each inside its deadline."""

import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from repwatch.errors import LoginRefused, PrivilegeMissing, RepwatchError, StatementRefused
from repwatch.health.checkup import Failed, Login, Look
from repwatch.model.endpoint import Endpoint
from repwatch.model.observation import DiskSpace
from repwatch.model.server import Address
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import inspect
from repwatch.sql.disks import read_disks
from repwatch.sql.replication import ChannelState, channel_state, show_channels
from repwatch.sql.status import Part, statement

TIMEOUTS = Timeouts(connect=4.0, read=5.0)
DEADLINE = 20.0  # seconds for one server, name resolution included
Result = TypeVar("Result")


def look_at(endpoint: Endpoint, connect: Connect) -> Look:
    """One server as this account sees it. Raises ServerError, or UsageError where the password cannot be read."""
    with connect(endpoint, TIMEOUTS) as db:
        variables = {row["Variable_name"] or "": row["Value"] or "" for row in db.texts(inspect.show_variables())}
        tls = db.text_row(inspect.TLS_VERSION)
        return Look(
            address=endpoint.address,
            version=db.version,
            variables=variables,
            login=_login(db),
            tls=(tls[1] or "") if len(tls) > 1 else "",
            channels=_channels(db),
            replicas=_replicas(db),
            clients=_clients(db),
            disks=_disks(db),
        )


def try_login(endpoint: Endpoint, connect: Connect) -> Login | Failed:
    """Whether a second account gets in, and what it holds."""
    try:
        with connect(endpoint, TIMEOUTS) as db:
            return _login(db)
    except RepwatchError as error:
        return failed(error)


def failed(error: RepwatchError) -> Failed:
    """What became of a look."""
    return Failed(text=getattr(error, "text", str(error)), hint=error.hint, refused=isinstance(error, LoginRefused))


def all_at_once(jobs: Mapping[str, Callable[[], Result]], clock: Clock, seconds: float = DEADLINE) -> dict[str, Result | Failed]:
    """Run every job in a thread of its own; one that overstays is left behind and has failed, and delays no other."""
    done: SimpleQueue[tuple[str, Result | Failed | Exception]] = SimpleQueue()

    def run(label: str, job: Callable[[], Result]) -> None:
        try:
            done.put((label, job()))
        except RepwatchError as error:
            done.put((label, failed(error)))
        except Exception as error:  # noqa: BLE001 - it is raised again below, where the caller can see it
            done.put((label, error))

    for label, job in jobs.items():
        # A daemon, because a name that is being resolved cannot be interrupted, and the process must be able to end.
        threading.Thread(target=run, args=(label, job), name=f"look {label}", daemon=True).start()
    late = Failed(text=f"did not answer within {seconds:g} seconds", hint="is the server overloaded, or the network down?")
    results: dict[str, Result | Failed] = dict.fromkeys(jobs, late)
    deadline = clock.monotonic() + seconds
    for _ in jobs:
        try:
            label, result = done.get(timeout=max(0.0, deadline - clock.monotonic()))
        except Empty:
            break
        if isinstance(result, Exception):
            raise result
        results[label] = result
    return results


def _login(db: Database) -> Login:
    # MariaDB shows the hash of the password with the first grant; it has no business here.
    lines = (value for row in db.texts(inspect.SHOW_GRANTS) for value in row.values() if value)
    grants = tuple(line.partition(" IDENTIFIED ")[0] for line in lines)
    return Login(user=db.scalar(inspect.CURRENT_USER) or "", grants=grants)


def _channels(db: Database) -> tuple[ChannelState, ...] | None:
    try:
        return tuple(channel_state(row) for row in db.texts(show_channels(db.version)))
    except PrivilegeMissing:
        return None


def _replicas(db: Database) -> tuple[Address, ...]:
    try:
        rows: Sequence[Mapping[str, str | None]] = db.texts(inspect.show_replicas(db.version))
    except StatementRefused:
        return ()  # not part of the least privileges
    return tuple(Address((row["Host"] or "").lower(), int(row["Port"] or 0)) for row in rows)


def _disks(db: Database) -> tuple[DiskSpace, ...] | None:
    row = statement(Part.DISKS, db.version)
    try:
        return read_disks(db.texts(row.sql)) if row else None
    except StatementRefused:
        return None  # the plugin is not there


def _clients(db: Database) -> tuple[str, ...]:
    try:
        rows = db.query(inspect.dump_clients(db.version)).rows
    except StatementRefused:
        return ()
    # `host:port` of the client's end; the port says nothing about where it listens.
    return tuple((value or b"").decode("utf-8", "replace").rpartition(":")[0] for (value,) in rows)

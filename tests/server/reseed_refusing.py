"""What the tests of refused reseeds, and of refused repairs, share: states of the servers, and how a refusal is seen."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused
from repwatch.flows.hold import hold, release
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.reseed.progress import Phase, Progress
from repwatch.sandbox import Sandbox
from tests.server.refusing import Case, State, changed, everything_on, lone
from tests.server.reseeding import CLOCK, request, reseed, tools

Cases = Iterator[Case[ReseedRequest]]


def case(star: Sandbox, **changes: Any) -> Case[ReseedRequest]:
    """A reseed of the first replica, asked for in another way than usual."""
    return Case(replace(request(star, star.replicas[0]), **changes), star.replicas[0])


def words(star: Sandbox) -> tuple[str, str]:
    return ("STOP SLAVE", "START SLAVE") if star.flavour is Flavour.MARIADB else ("STOP REPLICA", "START REPLICA")


def one_table(star: Sandbox, schema: str, name: str = "t") -> Case[ReseedRequest]:
    return case(star, tables=(TableName(schema, name),))


@contextmanager
def held(star: Sandbox, schema: str) -> Cases:
    with star.replicas[0].connect() as db:
        was = hold(db, "")
        try:
            yield case(star)
        finally:
            release(db, "", was)


@contextmanager
def other_channels(star: Sandbox, schema: str) -> Cases:
    if star.flavour is Flavour.MARIADB:
        make, drop = "CHANGE MASTER 'billing' TO MASTER_HOST = '127.0.0.1'", "RESET SLAVE 'billing' ALL"
    else:
        make = "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_USER = 'x' FOR CHANNEL 'billing'"
        drop = "RESET REPLICA ALL FOR CHANNEL 'billing'"
    with changed(star.replicas[0], make, drop):
        yield case(star)


@contextmanager
def badly_set(star: Sandbox, schema: str) -> Cases:
    """A source that logs nothing, not even what it replicates, in another spelling of names, and of a newer version."""
    if star.flavour is Flavour.MARIADB:
        options = ("--skip-log-bin", "--skip-log-slave-updates", "--lower-case-table-names=1", "--version=11.4.0-MariaDB")
        channel = "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_USER = 'x'"
    else:
        options = ("--skip-log-bin", "--skip-log-replica-updates", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
        channel = "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_USER = 'x'"
    with lone(star.flavour, *options) as server:
        server.sql(channel)
        yield case(star, source=server.spec())


@contextmanager
def by_file_and_position(star: Sandbox, schema: str) -> Cases:
    replica, (stop, start) = star.replicas[0], words(star)
    mariadb = star.flavour is Flavour.MARIADB
    change = "CHANGE MASTER TO MASTER_USE_GTID = {}" if mariadb else "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = {}"
    off, on = ("no", "slave_pos") if mariadb else ("0", "1")
    replica.sql(stop, change.format(off), start)
    try:
        yield one_table(star, schema)
    finally:
        replica.sql(stop, change.format(on), start)
        star.wait_caught_up(60)


class Killed(Exception):
    """In the middle of a reseed."""


@contextmanager
def interrupted(star: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    """A reseed of the first replica that ended when it had held replication, and is given up afterwards."""

    def end(progress: Progress) -> None:
        if progress.phase is Phase.SNAPSHOT:
            raise Killed

    asked = request(star, star.replicas[0])
    with suppress(Killed):
        reseed(asked, folder, end)
    try:
        yield asked
    finally:
        cancel_reseed(asked, tools(folder))
        star.wait_caught_up(60)


def see_refused(star: Sandbox, schema: str, folder: Path, state: State[ReseedRequest]) -> None:
    """The codes of the state; and it is not done either by who asks for it all the same."""
    if star.flavour not in state.codes:
        return
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    with state.make(star, schema) as made:
        before = everything_on(made.target)
        plan = plan_reseed(made.asked, Session.connect, CLOCK).plan
        assert state.codes[star.flavour] <= {refusal.code for refusal in plan.refusals}
        with pytest.raises(Refused):
            apply_reseed(made.asked, tools(folder), plan.plan_hash)
        assert everything_on(made.target) == before
    star.wait_caught_up(60)

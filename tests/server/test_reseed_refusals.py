"""Every reason for which the servers themselves forbid a reseed, on a real server in that state: it is told, and nothing changes.

`tests/unit/reseed/test_refusals_are_tried.py` sees that no code is missing here, and in `test_reseed_refusals_of_tables.py`.
"""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.reseed.method import Method
from repwatch.sandbox import Account, Sandbox
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.refusing import LOCAL, Case, State, another_source, both, changed, in_group, inventory, lone, only
from tests.server.reseed_refusing import Cases, badly_set, case, held, interrupted, other_channels, see_refused, words
from tests.server.reseeding import request
from tests.server.watching import until


def at(endpoint: Endpoint, address: Address) -> Endpoint:
    return replace(endpoint, address=address)


@contextmanager
def same_server(star: Sandbox, schema: str) -> Cases:
    """The source under another address of it."""
    spec = star.source.spec()
    elsewhere = replace(spec.endpoint.address, host="localhost")
    assert spec.operator is not None
    there = replace(spec, endpoint=at(spec.endpoint, elsewhere), operator=at(spec.operator, elsewhere))
    yield Case(replace(request(star, star.replicas[0]), replica=ReplicaTarget(server=there)), star.source)


@contextmanager
def same_id(star: Sandbox, schema: str) -> Cases:
    """MariaDB has nothing else to tell two servers apart."""
    with changed(star.replicas[0], "SET GLOBAL server_id = 1", f"SET GLOBAL server_id = {star.replicas[0].seat.server_id}"):
        yield case(star)


@contextmanager
def ends_confused(star: Sandbox, schema: str) -> Cases:
    yield Case(replace(request(star, star.source), source=star.replicas[0].spec()), star.source)


@contextmanager
def of_somebody_else(star: Sandbox, schema: str) -> Cases:
    """It replicates from somewhere else."""
    yield case(star, source=star.replicas[1].spec())


@contextmanager
def same_number(star: Sandbox, schema: str) -> Cases:
    """It replicates from somewhere else, whose server id is that of the named source: half of all sources have number 1."""
    sibling, (stop, start) = star.replicas[1], words(star)
    ((own,),) = sibling.sql("SELECT @@GLOBAL.server_id")
    ((number,),) = star.source.sql("SELECT @@GLOBAL.server_id")
    sibling.sql(stop, f"SET GLOBAL server_id = {number}")
    try:
        star.source.sql(f"INSERT INTO {schema}.t VALUES (79)")
        new_row = f"SELECT id FROM {schema}.t WHERE id = 79"
        until(lambda: bool(star.replicas[0].sql(new_row)), "it has what is new: it must not change while it is looked at")
        yield case(star, source=sibling.spec())
    finally:
        sibling.sql(f"SET GLOBAL server_id = {own}", start)
        star.wait_caught_up(60)


@contextmanager
def pointed_elsewhere(star: Sandbox, schema: str) -> Cases:
    """It followed the named source; MariaDB shows the old server id until the channel connects to the new one."""
    replica, (stop, start) = star.replicas[0], words(star)
    mariadb = star.flavour is Flavour.MARIADB
    point = "CHANGE MASTER TO MASTER_PORT = {}" if mariadb else "CHANGE REPLICATION SOURCE TO SOURCE_PORT = {}"
    gtid = ", MASTER_USE_GTID = slave_pos" if mariadb else ""
    replica.sql(stop, point.format(star.replicas[1].port) + gtid)
    try:
        yield case(star)
    finally:
        replica.sql(point.format(star.source.port) + gtid, start)
        star.wait_caught_up(60)


@contextmanager
def behind_a_socket(star: Sandbox, schema: str) -> Cases:
    """No other server gets there."""
    spec = star.replicas[1].spec()
    assert spec.operator is not None
    address = replace(spec.endpoint.address, socket=str(star.replicas[1].folder / "sock"))
    yield case(star, source=replace(spec, endpoint=at(spec.endpoint, address), operator=at(spec.operator, address)))


@contextmanager
def writing(star: Sandbox, schema: str) -> Cases:
    with star.replicas[0].connect() as db:
        for statement in (LOCAL, "START TRANSACTION", f"INSERT INTO {schema}.t VALUES (77)"):
            db.execute(statement)
        db.execute("DO SLEEP(0.2)")  # information_schema.INNODB_TRX is made anew only when nobody has read it for 0.1 s
        yield case(star)
        db.execute("ROLLBACK")


@contextmanager
def prepared(star: Sandbox, schema: str) -> Cases:
    with star.source.connect() as db:
        for statement in ("XA START 'x'", f"INSERT INTO {schema}.t VALUES (78)", "XA END 'x'", "XA PREPARE 'x'"):
            db.execute(statement)
    star.wait_caught_up(60)  # it is in the log when it is prepared: the replica must not change while it is looked at
    with changed(star.source, "DO 0", "XA ROLLBACK 'x'"):
        yield case(star)


@contextmanager
def without_privileges(star: Sandbox, schema: str) -> Cases:
    weak = replace(star.replicas[0].spec(), operator=star.replicas[0].endpoint(Account.WATCH))
    yield case(star, replica=ReplicaTarget(server=weak))


@contextmanager
def small_packets(star: Sandbox, schema: str) -> Cases:
    replica = star.replicas[0]
    ((was,),) = replica.sql("SELECT @@GLOBAL.max_allowed_packet")
    with changed(replica, "SET GLOBAL max_allowed_packet = 1048576", f"SET GLOBAL max_allowed_packet = {was}"):
        yield case(star)


@contextmanager
def expiring(star: Sandbox, schema: str) -> Cases:
    ((was,),) = star.source.sql("SELECT @@GLOBAL.binlog_expire_logs_seconds")
    with changed(star.source, "SET GLOBAL binlog_expire_logs_seconds = 60", f"SET GLOBAL binlog_expire_logs_seconds = {was}"):
        yield case(star)


@contextmanager
def copy_begun_on_the_source(star: Sandbox, schema: str) -> Cases:
    star.source.sql(LOCAL, f"CREATE DATABASE {MARKER_SCHEMA}")
    try:
        yield case(star)
    finally:
        star.source.sql(LOCAL, f"DROP DATABASE {MARKER_SCHEMA}")


@contextmanager
def files_of_a_newer_series(star: Sandbox, schema: str) -> Cases:
    with lone(star.flavour, "--version=11.4.0-MariaDB") as server:
        yield case(star, source=server.spec(), method=Method.PHYSICAL)


@contextmanager
def files_of_mysql(star: Sandbox, schema: str) -> Cases:
    yield case(star, method=Method.PHYSICAL)


@contextmanager
def of_the_other_flavour(star: Sandbox, schema: str) -> Cases:
    (other,) = set(Flavour) - {star.flavour}
    with lone(other) as server:
        yield case(star, source=server.spec())


@contextmanager
def in_a_group(star: Sandbox, schema: str) -> Cases:
    with in_group(star.flavour) as server:
        yield Case(replace(request(star, star.replicas[0]), replica=ReplicaTarget(server=server.spec())), server)


@contextmanager
def left_by_its_source(star: Sandbox, schema: str) -> Cases:
    """All but this replica have another source by now, the old source as well."""
    with another_source(star, star.source):
        yield case(star, inventory=inventory(star))


@contextmanager
def half_loaded_by_an_old_source(star: Sandbox, schema: str) -> Cases:
    """What was begun is not gone on with."""
    with interrupted(star, star.folder / schema) as asked, another_source(star, star.source):
        yield Case(replace(asked, inventory=inventory(star)), star.replicas[0])


@contextmanager
def empty_beside_an_old_source(star: Sandbox, schema: str) -> Cases:
    """Nothing but the other replicas tells that the old source, which stands alone, is none any more."""
    with another_source(star, star.replicas[0]), lone(star.flavour) as server:
        empty = server.spec()
        others = tuple(replica.spec() for replica in star.replicas)
        asked = request(star, star.replicas[0], login=True)
        yield Case(replace(asked, replica=ReplicaTarget(server=empty), others=others, inventory=inventory(star, empty)), server)


MARIADB, MYSQL = Flavour.MARIADB, Flavour.MYSQL
STATES: tuple[State[ReseedRequest], ...] = (
    both(same_server, "same-server"),
    State(same_id, {MARIADB: frozenset({"same-server"}), MYSQL: frozenset({"duplicate-server-id"})}),
    both(ends_confused, "has-replicas", "is-source"),
    both(of_somebody_else, "standalone", "no-replication-account"),
    both(same_number, "standalone"),
    both(pointed_elsewhere, "standalone"),
    both(behind_a_socket, "source-address"),
    both(writing, "sessions-writing"),
    both(prepared, "prepared-xa"),
    both(without_privileges, "privilege-missing"),
    both(small_packets, "packet-too-small"),
    both(expiring, "purge-horizon"),
    both(held, "held"),
    both(other_channels, "other-channels"),
    both(copy_begun_on_the_source, "source-half-loaded"),
    State(
        badly_set,
        {
            # MySQL fixes the spelling of names when a data folder is made, and its program has one version.
            MARIADB: frozenset({"no-binlog", "updates-not-logged", "lower-case-names-differ", "target-older"}),
            MYSQL: frozenset({"no-binlog", "updates-not-logged", "gtid-off"}),
        },
    ),
    only(MARIADB, files_of_a_newer_series, "series-differs"),
    only(MYSQL, files_of_mysql, "not-mariadb"),
    both(of_the_other_flavour, "flavour-differs"),
    both(in_a_group, "group-member"),
    both(left_by_its_source, "source-disputed"),
    both(half_loaded_by_an_old_source, "source-disputed"),
    both(empty_beside_an_old_source, "source-disputed"),
)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_refused_and_nothing_changed(star: Sandbox, schema: str, tmp_path: Path, state: State[ReseedRequest]) -> None:
    see_refused(star, schema, tmp_path, state)

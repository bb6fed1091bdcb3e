"""Every reason to refuse a reseed, on a real server in that state: it is told, and not a byte of the target changes.

`tests/unit/reseed/test_refusals_are_tried.py` sees that no code is missing here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Any

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused, Unreachable
from repwatch.flows.hold import hold, release
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.endpoint import Endpoint
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Timeouts
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.sandbox import Account, Sandbox
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.filtering import filtering
from tests.server.refusing import (
    LOCAL,
    Case,
    State,
    another_source,
    both,
    changed,
    everything_on,
    in_group,
    inventory,
    lone,
    only,
)
from tests.server.reseeding import break_with_1062, last_error, replication_login, request, reseed, tools

Cases = Iterator[Case[ReseedRequest]]


def case(star: Sandbox, **changes: Any) -> Case[ReseedRequest]:
    """A reseed of the first replica, asked for in another way than usual."""
    return Case(replace(request(star, star.replicas[0]), **changes), star.replicas[0])


def words(star: Sandbox) -> tuple[str, str]:
    return ("STOP SLAVE", "START SLAVE") if star.flavour is Flavour.MARIADB else ("STOP REPLICA", "START REPLICA")


def one_table(star: Sandbox, schema: str, name: str = "t") -> Case[ReseedRequest]:
    return case(star, tables=(TableName(schema, name),))


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
    with changed(star.source, "DO 0", "XA ROLLBACK 'x'"):
        yield case(star)


@contextmanager
def other_engine(star: Sandbox, schema: str) -> Cases:
    with changed(star.source, f"CREATE TABLE {schema}.m (id INT PRIMARY KEY) ENGINE=MyISAM", f"DROP TABLE {schema}.m"):
        star.wait_caught_up(60)
        yield case(star)


@contextmanager
def history_kept(star: Sandbox, schema: str) -> Cases:
    with changed(star.source, f"CREATE TABLE {schema}.h (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", f"DROP TABLE {schema}.h"):
        star.wait_caught_up(60)
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
def own_tables(star: Sandbox, schema: str) -> Cases:
    spec = replace(star.replicas[0].spec(), local_tables=(f"{schema}.mine_*",))
    yield case(star, replica=ReplicaTarget(server=spec))


@contextmanager
def own_table(star: Sandbox, schema: str) -> Cases:
    spec = replace(star.replicas[0].spec(), local_tables=(f"{schema}.t",))
    yield case(star, replica=ReplicaTarget(server=spec), tables=(TableName(schema, "t"),))


@contextmanager
def held(star: Sandbox, schema: str) -> Cases:
    with star.replicas[0].connect() as db:
        was = hold(db, "")
        try:
            yield case(star)
        finally:
            release(db, "", was)


@contextmanager
def held_for_a_table(star: Sandbox, schema: str) -> Cases:
    with held(star, schema):
        yield one_table(star, schema)


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
def other_channels_of_unknown_tables(star: Sandbox, schema: str) -> Cases:
    with other_channels(star, schema):
        yield one_table(star, schema)


@contextmanager
def copy_begun_on_the_source(star: Sandbox, schema: str) -> Cases:
    star.source.sql(LOCAL, f"CREATE DATABASE {MARKER_SCHEMA}")
    try:
        yield case(star)
    finally:
        star.source.sql(LOCAL, f"DROP DATABASE {MARKER_SCHEMA}")


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
def unknown_table(star: Sandbox, schema: str) -> Cases:
    yield one_table(star, schema, "nothing")


@contextmanager
def table_of_somebody_else(star: Sandbox, schema: str) -> Cases:
    yield case(star, source=star.replicas[1].spec(), tables=(TableName(schema, "t"),))


@contextmanager
def table_has_stopped_it(star: Sandbox, schema: str) -> Cases:
    replica = star.replicas[0]
    break_with_1062(star, replica, f"{schema}.t", 5)
    try:
        yield one_table(star, schema)
    finally:
        replica.sql(LOCAL, f"DELETE FROM {schema}.t WHERE id = 5")
        replica.sql(words(star)[1])
        star.wait_caught_up(60)
        assert last_error(star.flavour, replica) == "0"


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


@contextmanager
def half_loaded(star: Sandbox, schema: str) -> Cases:
    with interrupted(star, star.folder / schema):
        yield one_table(star, schema)


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


@contextmanager
def table_left_out(star: Sandbox, schema: str) -> Cases:
    with filtering(star.replicas[0], "replicate_wild_ignore_table", f"{schema}.%"):
        yield case(star)


@contextmanager
def named_table_left_out(star: Sandbox, schema: str) -> Cases:
    with filtering(star.replicas[0], "replicate_ignore_table", f"{schema}.t"):
        yield one_table(star, schema)


@contextmanager
def renamed(star: Sandbox, schema: str) -> Cases:
    with filtering(star.replicas[0], "replicate_rewrite_db", f"{schema}->elsewhere"):
        yield one_table(star, schema)


@contextmanager
def left_out_by_statement(star: Sandbox, schema: str) -> Cases:
    """A statement is judged by its default database, whatever table it changes."""
    ((was,),) = star.source.sql("SELECT @@GLOBAL.binlog_format")
    mixed = changed(star.source, "SET GLOBAL binlog_format = MIXED", f"SET GLOBAL binlog_format = {was}")
    with mixed, filtering(star.replicas[0], "replicate_ignore_db", "elsewhere"):
        yield case(star)


@contextmanager
def left_out_by_a_new_replica(star: Sandbox, schema: str) -> Cases:
    """It has no channel yet; the one that is made gets the server's filters."""
    with lone(star.flavour, f"--replicate-wild-ignore-table={schema}.%") as server:
        asked = request(star, star.replicas[0], login=True)
        yield Case(replace(asked, replica=ReplicaTarget(server=server.spec())), server)


@contextmanager
def not_logged(star: Sandbox, schema: str) -> Cases:
    with lone(star.flavour, f"--binlog-ignore-db={schema}", "--binlog-format=ROW") as server:
        server.sql(f"CREATE DATABASE {schema}", f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
        yield case(star, source=server.spec(), overwrite_standalone=str(star.replicas[0].address), login=replication_login(star))


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
    both(other_engine, "engine"),
    only(MARIADB, history_kept, "system-versioned"),
    both(without_privileges, "privilege-missing"),
    both(small_packets, "packet-too-small"),
    both(expiring, "purge-horizon"),
    both(own_tables, "local-tables"),
    both(own_table, "local-tables"),
    both(held, "held"),
    both(held_for_a_table, "held"),
    both(other_channels, "other-channels"),
    both(other_channels_of_unknown_tables, "other-channels"),
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
    both(unknown_table, "no-such-table"),
    both(table_of_somebody_else, "not-following"),
    both(table_has_stopped_it, "applier-error"),
    both(by_file_and_position, "gtid-off"),
    both(half_loaded, "half-loaded"),
    both(left_by_its_source, "source-disputed"),
    both(half_loaded_by_an_old_source, "source-disputed"),
    both(empty_beside_an_old_source, "source-disputed"),
    both(table_left_out, "filtered"),
    both(named_table_left_out, "filtered"),
    both(renamed, "filtered"),
    both(left_out_by_statement, "filtered"),
    both(left_out_by_a_new_replica, "filtered"),
    both(not_logged, "filtered"),
)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_refused_and_nothing_changed(star: Sandbox, schema: str, tmp_path: Path, state: State[ReseedRequest]) -> None:
    if star.flavour not in state.codes:
        return
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    with state.make(star, schema) as made:
        before = everything_on(made.target)
        plan = plan_reseed(made.asked, Session.connect).plan
        assert state.codes[star.flavour] <= {refusal.code for refusal in plan.refusals}
        with pytest.raises(Refused):
            apply_reseed(made.asked, tools(tmp_path), plan.plan_hash)
        assert everything_on(made.target) == before
    star.wait_caught_up(60)


def test_a_plan_of_another_world_is_refused(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    old = plan_reseed(asked, Session.connect).plan
    star.source.sql(f"INSERT INTO {schema}.t VALUES (1)")
    assert plan_reseed(asked, Session.connect).plan.plan_hash == old.plan_hash
    star.source.sql(f"CREATE TABLE {schema}.u (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    before = everything_on(star.replicas[0])
    with pytest.raises(Refused):
        apply_reseed(asked, tools(tmp_path), old.plan_hash)
    assert everything_on(star.replicas[0]) == before


def test_two_reseeds_of_one_server_exclude_each_other(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    plan = plan_reseed(asked, Session.connect).plan
    with star.replicas[0].connect() as db:
        assert db.scalar("SELECT GET_LOCK('repwatch.reseed', 60)") == "1"
        with pytest.raises(Refused):
            apply_reseed(asked, tools(tmp_path), plan.plan_hash)


def test_the_session_of_a_killed_one_is_waited_for(star: Sandbox, schema: str, tmp_path: Path) -> None:
    """Its server notices a moment later that nobody is there any more: until then the lock is taken."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    plan = plan_reseed(asked, Session.connect).plan
    killed = star.replicas[0].connect()
    assert killed.scalar("SELECT GET_LOCK('repwatch.reseed', 60)") == "1"

    class Noticing(Session):
        def scalar(self, sql: str, params: Params = ()) -> str | None:
            found = super().scalar(sql, params)
            if "GET_LOCK" in sql:
                killed.close()
            return found

    done = apply_reseed(asked, replace(tools(tmp_path), connect=Noticing.connect), plan.plan_hash)
    assert done.outcome is Outcome.DONE


def test_no_session_is_left_where_the_other_end_cannot_be_reached(star: Sandbox) -> None:
    """Both are opened at once, and the one that takes long is not waited for."""
    replica = star.replicas[0]
    asked = request(star, replica)
    nobody = replace(asked.source.writer, address=Address("127.0.0.1", 1))
    answers, late = Event(), Queue[Session]()

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        if endpoint == nobody:
            return Session.connect(endpoint, timeouts)
        answers.wait(300)
        late.put(session := Session.connect(endpoint, timeouts))
        return session

    with pytest.raises(Unreachable):
        plan_reseed(replace(asked, source=replace(asked.source, operator=nobody)), connect)
    assert late.empty()
    answers.set()
    kept = late.get(timeout=60)  # one that is forgotten closes itself
    deadline = time.monotonic() + 60
    while replica.sql(f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{Account.OPERATOR}'"):
        assert time.monotonic() < deadline, f"a session is left: {kept.server}"
        time.sleep(0.05)

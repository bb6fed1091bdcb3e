"""Every reason to refuse a reseed, on a real server in that state: it is told, and not a byte of the target changes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused
from repwatch.flows.hold import channel_states, hold, release
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql import replication
from tests.server.reseeding import contents, request, tools

State = Callable[[Sandbox, str], AbstractContextManager[ReseedRequest]]


@contextmanager
def changed(server: SandboxServer, before: str, after: str) -> Iterator[None]:
    server.sql(before)
    try:
        yield
    finally:
        server.sql(after)


@contextmanager
def same_server(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """The source under another address of it."""
    spec = star.source.spec()
    elsewhere = replace(spec.endpoint.address, host="localhost")
    writer = replace(spec.writer, address=elsewhere)
    yield replace(
        request(star, star.replicas[0]),
        replica=ReplicaTarget(server=replace(spec, endpoint=replace(spec.endpoint, address=elsewhere), operator=writer)),
    )


@contextmanager
def has_replicas(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """The two ends confused."""
    yield replace(request(star, star.source), source=star.replicas[0].spec())


@contextmanager
def standalone(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """It replicates from somewhere else."""
    replica, sibling = star.replicas
    yield request(star, replica, source=sibling.spec())


@contextmanager
def same_number(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """It replicates from somewhere else, whose server id is that of the named source: half of all sources have number 1."""
    replica, sibling = star.replicas
    stop, start = ("STOP SLAVE", "START SLAVE") if star.flavour is Flavour.MARIADB else ("STOP REPLICA", "START REPLICA")
    ((own,),) = sibling.sql("SELECT @@GLOBAL.server_id")
    ((number,),) = star.source.sql("SELECT @@GLOBAL.server_id")
    sibling.sql(stop, f"SET GLOBAL server_id = {number}")
    try:
        star.source.sql(f"INSERT INTO {schema}.t VALUES (79)")
        yield request(star, replica, source=sibling.spec())
    finally:
        sibling.sql(f"SET GLOBAL server_id = {own}", start)
        star.wait_caught_up(60)


@contextmanager
def pointed_elsewhere(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """It followed the named source; MariaDB shows the old server id until the channel connects to the new one."""
    replica = star.replicas[0]
    mariadb = star.flavour is Flavour.MARIADB
    stop, start = ("STOP SLAVE", "START SLAVE") if mariadb else ("STOP REPLICA", "START REPLICA")
    point = "CHANGE MASTER TO MASTER_PORT = {}" if mariadb else "CHANGE REPLICATION SOURCE TO SOURCE_PORT = {}"
    gtid = ", MASTER_USE_GTID = slave_pos" if mariadb else ""
    replica.sql(stop, point.format(star.replicas[1].port) + gtid)
    try:
        yield request(star, replica)
    finally:
        replica.sql(point.format(star.source.port) + gtid, start)
        star.wait_caught_up(60)


@contextmanager
def writing(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    replica = star.replicas[0]
    with replica.connect() as db:
        for statement in ("SET SESSION sql_log_bin = 0", "START TRANSACTION", f"INSERT INTO {schema}.t VALUES (77)"):
            db.execute(statement)
        db.execute("DO SLEEP(0.2)")  # information_schema.INNODB_TRX is made anew only when nobody has read it for 0.1 s
        yield request(star, replica)
        db.execute("ROLLBACK")


@contextmanager
def prepared(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with star.source.connect() as db:
        for statement in ("XA START 'x'", f"INSERT INTO {schema}.t VALUES (78)", "XA END 'x'", "XA PREPARE 'x'"):
            db.execute(statement)
    with changed(star.source, "DO 0", "XA ROLLBACK 'x'"):
        yield request(star, star.replicas[0])


@contextmanager
def other_engine(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with changed(star.source, f"CREATE TABLE {schema}.m (id INT PRIMARY KEY) ENGINE=MyISAM", f"DROP TABLE {schema}.m"):
        star.wait_caught_up(60)
        yield request(star, star.replicas[0])


@contextmanager
def without_privileges(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    replica = star.replicas[0]
    weak = replace(replica.spec(), operator=replica.endpoint(Account.WATCH))
    yield replace(request(star, replica), replica=ReplicaTarget(server=weak))


@contextmanager
def small_packets(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    replica = star.replicas[0]
    ((was,),) = replica.sql("SELECT @@GLOBAL.max_allowed_packet")
    with changed(replica, "SET GLOBAL max_allowed_packet = 1048576", f"SET GLOBAL max_allowed_packet = {was}"):
        yield request(star, replica)


@contextmanager
def expiring(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    ((was,),) = star.source.sql("SELECT @@GLOBAL.binlog_expire_logs_seconds")
    with changed(star.source, "SET GLOBAL binlog_expire_logs_seconds = 60", f"SET GLOBAL binlog_expire_logs_seconds = {was}"):
        yield request(star, star.replicas[0])


@contextmanager
def own_tables(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    asked = request(star, star.replicas[0])
    yield replace(asked, replica=ReplicaTarget(server=replace(asked.replica.server, local_tables=(f"{schema}.mine_*",))))


@contextmanager
def held(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with star.replicas[0].connect() as db:
        was = hold(db, "")
        try:
            yield request(star, star.replicas[0])
        finally:
            release(db, "", was)


@contextmanager
def other_channels(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    replica = star.replicas[0]
    if star.flavour is Flavour.MARIADB:
        make, drop = "CHANGE MASTER 'billing' TO MASTER_HOST = '127.0.0.1'", "RESET SLAVE 'billing' ALL"
    else:
        make = "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_USER = 'x' FOR CHANNEL 'billing'"
        drop = "RESET REPLICA ALL FOR CHANNEL 'billing'"
    with changed(replica, make, drop):
        yield request(star, replica)


STATES: tuple[tuple[str, State], ...] = (
    ("same-server", same_server),
    ("has-replicas", has_replicas),
    ("is-source", has_replicas),
    ("standalone", standalone),
    ("standalone", same_number),
    ("standalone", pointed_elsewhere),
    ("no-replication-account", standalone),
    ("sessions-writing", writing),
    ("prepared-xa", prepared),
    ("engine", other_engine),
    ("privilege-missing", without_privileges),
    ("packet-too-small", small_packets),
    ("purge-horizon", expiring),
    ("local-tables", own_tables),
    ("held", held),
    ("other-channels", other_channels),
)


def fingerprint(server: SandboxServer, schema: str) -> object:
    """What a reseed could have touched."""
    with server.connect() as db:
        return (
            contents(server, schema),
            db.scalar(replication.executed(db.version)),
            db.texts("SHOW DATABASES"),
            db.text_row("SELECT @@GLOBAL.read_only, @@GLOBAL.log_bin_trust_function_creators"),
            [(state.channel, state.source, state.delay, state.applier_running) for state in channel_states(db)],
        )


@pytest.mark.parametrize(("code", "state"), STATES, ids=[f"{code}-{state.__name__}" for code, state in STATES])
def test_refused_and_nothing_changed(star: Sandbox, schema: str, tmp_path: Path, code: str, state: State) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    with state(star, schema) as asked:
        target = next(s for s in star.servers if s.port == asked.replica.server.endpoint.address.port)
        before = fingerprint(target, schema)
        plan = plan_reseed(asked, Session.connect).plan
        assert code in {refusal.code for refusal in plan.refusals}
        with pytest.raises(Refused):
            apply_reseed(asked, tools(tmp_path), plan.plan_hash)
        assert fingerprint(target, schema) == before
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
    before = fingerprint(star.replicas[0], schema)
    with pytest.raises(Refused):
        apply_reseed(asked, tools(tmp_path), old.plan_hash)
    assert fingerprint(star.replicas[0], schema) == before


def test_two_reseeds_of_one_server_exclude_each_other(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    plan = plan_reseed(asked, Session.connect).plan
    with star.replicas[0].connect() as db:
        assert db.scalar("SELECT GET_LOCK('repwatch.reseed', 0)") == "1"
        with pytest.raises(Refused):
            apply_reseed(asked, tools(tmp_path), plan.plan_hash)


def test_the_session_of_a_killed_one_is_waited_for(star: Sandbox, schema: str, tmp_path: Path) -> None:
    """Its server notices a moment later that nobody is there any more: until then the lock is taken."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    plan = plan_reseed(asked, Session.connect).plan
    killed = star.replicas[0].connect()
    assert killed.scalar("SELECT GET_LOCK('repwatch.reseed', 0)") == "1"

    class Noticing(Session):
        def scalar(self, sql: str, params: Params = ()) -> str | None:
            found = super().scalar(sql, params)
            if "GET_LOCK" in sql:
                killed.close()
            return found

    done = apply_reseed(asked, replace(tools(tmp_path), connect=Noticing.connect), plan.plan_hash)
    assert done.outcome is Outcome.DONE

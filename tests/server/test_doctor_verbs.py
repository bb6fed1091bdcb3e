"""What `doctor` says an account may run is what the verbs say themselves, on accounts like those of a managed service."""

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.adapters.shell import HostShell
from repwatch.drift.repair_preconditions import server_refusals
from repwatch.drift.report import Reason
from repwatch.errors import PrivilegeMissing
from repwatch.flows.doctor import examine
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_holds import HOLDS
from repwatch.flows.drift_stand import ExactMeans
from repwatch.flows.reseed_survey import ReseedRequest, survey
from repwatch.health.checkup import Ability, Verb
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.model.topology import ClusterSpec, ReplicaTarget, ServerSpec
from repwatch.reseed.choice import Choice
from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method, Why
from repwatch.reseed.preconditions import refusals
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql import drift_position
from repwatch.sql.applied_events import APPLIED_STATEMENTS
from repwatch.sql.privileges import Grant, clone_needs, drift_needs, export_needs, operator_needs
from tests.server.first_contact import account

METHODS = {
    Verb.RESEED_DIFFERENTIAL: Method.DIFFERENTIAL,
    Verb.RESEED_LOGICAL: Method.LOGICAL,
    Verb.RESEED_CLONE: Method.CLONE,
    Verb.RESEED_PHYSICAL: Method.PHYSICAL,
    Verb.RESEED_TABLE: Method.TABLE,
}
# What stands in the way of an account or a machine; all else is about the servers and their data.
IN_THE_WAY = {"privilege-missing", "clone-plugin", "no-host"}


def blind(version: ServerVersion) -> Iterable[Grant]:
    """Rows alone."""
    return drift_needs(version, is_source=True)


def reader(version: ServerVersion) -> Iterable[Grant]:
    """Rows and replication status."""
    return drift_needs(version, is_source=False)


def managed(version: ServerVersion) -> Iterable[Grant]:
    """All that the chief account of a managed service is usually given."""
    kept = (Grant(tuple(word for word in need.privileges if not _withheld(word)), need.on) for need in operator_needs(version))
    return (need for need in kept if need.privileges)


def _withheld(privilege: str) -> bool:
    admin = privilege.replace("_", " ").endswith(("ADMIN", "DEFINER"))
    return admin or privilege in ("SUPER", "SYSTEM_USER", "SET USER")


def full(version: ServerVersion) -> Iterable[Grant]:
    return (*operator_needs(version), *clone_needs(version), *export_needs())


def specs(star: Sandbox, name: str, password: str) -> list[ServerSpec]:
    """The source and a replica, with that account alone and without machines."""

    def spec(server: SandboxServer) -> ServerSpec:
        endpoint = replace(server.endpoint(Account.ROOT), user=name, password=LiteralSecret(password))
        return ServerSpec(endpoint=endpoint, name=server.name)

    return [spec(star.source), spec(star.replicas[0])]


def told(servers: list[ServerSpec]) -> list[dict[Verb, Ability]]:
    """What `doctor` says of each."""
    cluster = ClusterSpec(name="shop", source=servers[0].label, servers=tuple(servers))
    (checkup,) = examine([cluster], connect=Session.connect, clock=SystemClock(), shell=HostShell())
    return [{ability.verb: ability for ability in server.abilities} for server in checkup.servers]


def refused(servers: list[ServerSpec], table: TableName, folder: Path, verbs: Iterable[Verb]) -> set[Verb]:
    """What the verbs themselves refuse."""
    source, target = servers[0], ReplicaTarget(server=servers[1])
    facts = survey(ReseedRequest(source=source, replica=target), Session.connect, SystemClock())
    found = {verb for verb, method in METHODS.items() if _in_the_way(facts, method, table)}
    if {refusal.code for refusal in server_refusals(facts, own_hold=False)} & IN_THE_WAY:
        found.add(Verb.REPAIR)
    request = CheckRequest(source=source, replicas=(target,), tables=(str(table),))
    for verb, exact in ((Verb.DRIFT, None), (Verb.DRIFT_EXACT, ExactMeans(records=FileRecords(folder / HOLDS)))):
        (replica,) = check(request, connect=Session.connect, clock=SystemClock(), exact=exact).replicas
        if replica.reason in (Reason.UNREADABLE, Reason.NOT_HELD):
            found.add(verb)
    return found & set(verbs)


def _in_the_way(facts: Facts, method: Method, table: TableName) -> bool:
    tables = (table,) if method is Method.TABLE else ()
    return bool({refusal.code for refusal in refusals(facts, Choice(method, Why.ASKED, tables))} & IN_THE_WAY)


@pytest.mark.parametrize("holds", [blind, reader, managed, full])
def test_what_may_not_be_run_is_what_the_verbs_refuse(
    star: Sandbox, schema: str, tmp_path: Path, holds: Callable[[ServerVersion], Iterable[Grant]]
) -> None:
    table = TableName(schema, "t")
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    password = secrets.token_hex(8)
    with star.source.connect() as db:
        version = db.version
    with account(star, "limited", password) as user:
        star.source.sql(*(need.text.format(account=user) for need in holds(version)))
        star.wait_caught_up(60)
        servers = specs(star, "limited", password)
        on_source, on_replica = told(servers)
        compared = on_source.keys() & on_replica.keys()
        unable = {verb for verb in compared if not (on_source[verb].able and on_replica[verb].able)}
        if holds is blind:
            # The source tells its rows, and the replica not how it stands.
            assert (on_source[Verb.DRIFT].able, on_replica[Verb.DRIFT].able) == (True, False)
        assert refused(servers, table, tmp_path, compared) == unable
        assert (Verb.DRIFT in unable, Verb.REPAIR in unable) == (holds is blind, holds is not full)
        assert on_replica[Verb.RESTART].able is on_replica[Verb.RESEED_EXPORT].able is (holds is full)


def test_statements_that_are_said_to_be_refused_are(star: Sandbox) -> None:
    """One after the other privilege makes them go."""
    password = secrets.token_hex(8)
    replica = star.replicas[0]
    with replica.connect() as db:
        version = db.version
    with account(star, "limited", password) as user:
        star.source.sql(*(need.text.format(account=user) for need in managed(version)))
        star.wait_caught_up(60)
        servers = specs(star, "limited", password)
        repair = told(servers)[1][Verb.REPAIR]
        assert [statement for grant in repair.lacks for statement in sorted(grant.refused)] == ["SET sql_log_bin", "STOP REPLICA"]
        quiet, stop = "SET SESSION sql_log_bin = 0", "STOP REPLICA"
        with Session.connect(servers[1].endpoint) as db:
            for statement in (quiet, stop):
                with pytest.raises(PrivilegeMissing):
                    db.execute(statement)
        (privilege,) = [
            word for grant in repair.lacks for word in grant.privileges if "SET sql_log_bin" in Grant((word,)).refused
        ]
        star.source.sql(f"GRANT {privilege} ON *.* TO {user}")
        star.wait_caught_up(60)
        with Session.connect(servers[1].endpoint) as db:
            db.execute(quiet)
            with pytest.raises(PrivilegeMissing):
                db.execute(stop)


def test_what_decides_a_busy_table_at_once_is_a_privilege_of_its_own(star: Sandbox, schema: str) -> None:
    """An account that may read one schema checks that; not at one moment (MariaDB), nor by what appliers have run (MySQL)."""
    password = secrets.token_hex(8)
    with star.source.connect() as db:
        version = db.version
    with account(star, "limited", password) as user:
        (need,) = reader(version)
        monitor = Grant(tuple(word for word in need.privileges if word != "SELECT"))
        star.source.sql(monitor.text.format(account=user), f"GRANT SELECT ON {schema}.* TO {user}")
        star.wait_caught_up(60)
        servers = specs(star, "limited", password)
        for granted in (False, True):
            on_source, on_replica = told(servers)
            assert on_source[Verb.DRIFT].able
            assert on_replica[Verb.DRIFT].able
            better = on_replica[Verb.DRIFT_AT_ONE_MOMENT if version.is_mariadb else Verb.DRIFT_BY_ROW_IMAGES]
            assert better.able is granted is _may_ask(servers[1])
            for grant in better.lacks:
                star.source.sql(grant.text.format(account=user))
            star.wait_caught_up(60)


def _may_ask(spec: ServerSpec) -> bool:
    with suppress(PrivilegeMissing), Session.connect(spec.endpoint) as db:
        db.query(drift_position.SNAPSHOT_POSITION if db.version.is_mariadb else APPLIED_STATEMENTS)
        return True
    return False

"""What a replica wrote itself is told before it is lost, and saved in a form that runs again, or nothing is changed."""

import os
import shlex
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.binlog_tool import read_binlog
from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused
from repwatch.flows.hold import channel_state
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.endpoint import Endpoint, LiteralSecret
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour, ServerVersion
from repwatch.ports.binlog import Extract
from repwatch.ports.database import Params
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox.binaries import find
from repwatch.sql.reseed import set_read_only
from tests.server.reseeding import CLOCK, Enough, contents, healthy, request, reseed, tools

LOCAL = "SET SESSION sql_log_bin = 0"
TOOLS = {Flavour.MARIADB: ("mariadb-binlog", "mariadb"), Flavour.MYSQL: ("mysqlbinlog", "mysql")}


@pytest.fixture
def programs(star: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tools of the flavour come first in PATH; the result is its client."""
    installed, (reader, client) = find(star.flavour), TOOLS[star.flavour]
    if installed.root is not None:
        folder = tmp_path / "bin"
        folder.mkdir()
        loader = installed.command[: next(n for n, word in enumerate(installed.command) if word.endswith("/mysqld"))]
        for name in (reader, client):
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec {shlex.join([*loader, str(installed.root / "usr/bin" / name)])} "$@"\n')
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return client


@contextmanager
def may_read(star: Sandbox, replica: SandboxServer) -> Iterator[None]:
    """The operator has what the export needs beside."""
    for grant in replica.sql(f"SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user = '{Account.OPERATOR}'"):
        replica.sql(LOCAL, f"GRANT REPLICATION SLAVE ON *.* TO {grant[0]}")
    yield
    for grant in replica.sql(f"SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user = '{Account.OPERATOR}'"):
        replica.sql(LOCAL, f"REVOKE REPLICATION SLAVE ON *.* FROM {grant[0]}")


def write_on(star: Sandbox, replica: SandboxServer, schema: str) -> None:
    """Rows, a statement, in two logs; on MariaDB in a domain of its own too, between transactions of the source."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v VARCHAR(20))", f"INSERT INTO {schema}.t VALUES (1, 'a')")
    star.wait_caught_up(60)
    replica.sql(
        "SET SESSION binlog_format = 'ROW'", f"INSERT INTO {schema}.t VALUES (7, 'erränt')", f"CREATE TABLE {schema}.own (id INT)"
    )
    star.source.sql(f"INSERT INTO {schema}.t VALUES (2, 'b')")
    star.wait_caught_up(60)
    domain = ["SET SESSION gtid_domain_id = 77"] if star.flavour is Flavour.MARIADB else []
    replica.sql("FLUSH BINARY LOGS", *domain, f"INSERT INTO {schema}.own VALUES (5)")


def own_gtids(star: Sandbox, replica: SandboxServer) -> list[str]:
    """What a plan has to name."""
    if star.flavour is Flavour.MYSQL:
        ((uuid,),) = replica.sql("SELECT @@server_uuid")
        return [str(uuid)]
    ((number, state),) = replica.sql("SELECT @@server_id, @@gtid_binlog_state")
    return [part for part in str(state).split(",") if part.split("-")[1] == number]


@contextmanager
def errant(star: Sandbox, schema: str, folder: Path) -> Iterator[ReseedRequest]:
    """A replica with transactions of its own, which a reseed takes away at the end."""
    write_on(star, star.replicas[0], schema)
    asked = request(star, star.replicas[0])
    yield replace(asked, export=folder / "own.sql")
    assert reseed(asked, folder).outcome is Outcome.DONE
    healthy(star, star.replicas[0])


def test_what_will_be_lost_is_told_saved_and_can_be_run_again(star: Sandbox, schema: str, programs: str, tmp_path: Path) -> None:
    replica = star.replicas[0]
    with errant(star, schema, tmp_path) as asked, may_read(star, replica):
        assert asked.export is not None
        silent = plan_reseed(replace(asked, export=None), Session.connect, CLOCK).plan
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        gtids = own_gtids(star, replica)
        assert len(gtids) == (2 if star.flavour is Flavour.MARIADB else 1)
        assert all(gtid in plan.reason and gtid in silent.reason for gtid in gtids)
        assert plan.plan_hash != silent.plan_hash
        assert apply_reseed(asked, tools(tmp_path), plan.plan_hash).outcome is Outcome.DONE
        assert stat.S_IMODE(asked.export.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.glob("own.sql*")] == ["own.sql"]
        assert replica.sql(f"SHOW TABLES FROM {schema}") == [("t",)]
        again(programs, star.source, asked.export)
        assert star.source.sql(f"SELECT id, v FROM {schema}.t ORDER BY id") == [("1", "a"), ("2", "b"), ("7", "erränt")]
        assert star.source.sql(f"SELECT id FROM {schema}.own") == [("5",)]
    assert plan_reseed(replace(asked, export=None), Session.connect, CLOCK).plan.reason.count("lost") == 0


def again(client: str, server: SandboxServer, file: Path) -> None:
    """Run the file as its header says."""
    secret = server.endpoint(Account.ROOT).password
    assert isinstance(secret, LiteralSecret)
    words = [client, "--no-defaults", "--host=127.0.0.1", f"--port={server.port}", "--user=root", "--binary-mode"]
    with file.open("rb") as statements:
        subprocess.run(words, check=True, stdin=statements, env={**os.environ, "MYSQL_PWD": secret.text}, timeout=60)


def state_of(replica: SandboxServer, schema: str) -> object:
    with replica.connect() as db:
        return contents(replica, schema), db.texts("SHOW DATABASES"), channel_state(db, "").delay


def refuses(asked: ReseedRequest, replica: SandboxServer, schema: str, folder: Path) -> None:
    before = state_of(replica, schema)
    with pytest.raises(Refused):
        reseed(asked, folder)
    assert state_of(replica, schema) == before


def test_what_cannot_be_saved_is_not_lost(
    star: Sandbox, schema: str, programs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No privilege, no tool, a file of that name, logs that are gone."""
    replica = star.replicas[0]
    with errant(star, schema, tmp_path) as asked:
        assert asked.export is not None
        codes = {refusal.code for refusal in plan_reseed(asked, Session.connect, CLOCK).plan.refusals}
        assert codes == {"privilege-missing"}
        with may_read(star, replica):
            with monkeypatch.context() as patch:
                patch.setenv("PATH", str(tmp_path))
                refuses(asked, replica, schema, tmp_path)
            assert not asked.export.exists()
            asked.export.write_text("precious")
            refuses(asked, replica, schema, tmp_path)
            assert asked.export.read_text() == "precious"
            asked.export.unlink()
            newest = replica.sql("SHOW BINARY LOGS")[-1][0]
            deadline = time.monotonic() + 60
            while replica.sql("SHOW BINARY LOGS")[0][0] != newest:
                assert time.monotonic() < deadline, replica.sql("SHOW BINARY LOGS")
                replica.sql(f"PURGE BINARY LOGS TO '{newest}'")  # MariaDB keeps a log until its checkpoint is written
                time.sleep(0.1)
            refuses(asked, replica, schema, tmp_path)
            assert not asked.export.exists()


def test_what_is_written_after_the_file_was_made_is_not_lost(star: Sandbox, schema: str, programs: str, tmp_path: Path) -> None:
    replica = star.replicas[0]

    def read(endpoint: Endpoint, version: ServerVersion, extract: Extract, path: Path, header: Sequence[str]) -> frozenset[str]:
        seen = read_binlog(endpoint, version, extract, path, header)
        replica.sql(f"INSERT INTO {schema}.own VALUES (6)")
        return seen

    with errant(star, schema, tmp_path) as asked, may_read(star, replica):
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        before = state_of(replica, schema)
        applied = apply_reseed(asked, replace(tools(tmp_path), read_binlog=read), plan.plan_hash)
        assert applied.outcome is Outcome.FAILED
        assert replica.sql(f"SELECT id FROM {schema}.own ORDER BY id") == [("5",), ("6",)]
        replica.sql(LOCAL, f"DELETE FROM {schema}.own WHERE id = 6")
        assert state_of(replica, schema) == before


def test_what_is_written_after_a_kill_is_not_lost_either(star: Sandbox, schema: str, programs: str, tmp_path: Path) -> None:
    """Killed after the file was made, before the replica was read-only; who takes it up has no file to name."""
    replica = star.replicas[0]

    class Killed(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            if sql == set_read_only(on=True):
                raise Enough
            return super().execute(sql, params)

    with errant(star, schema, tmp_path) as asked, may_read(star, replica):
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        before = state_of(replica, schema)
        with pytest.raises(Enough):
            apply_reseed(asked, replace(tools(tmp_path), connect=Killed.connect), plan.plan_hash)
        replica.sql(f"INSERT INTO {schema}.own VALUES (6)")
        applied = reseed(replace(asked, export=None), tmp_path)
        assert applied.outcome is Outcome.FAILED
        assert replica.sql(f"SELECT id FROM {schema}.own ORDER BY id") == [("5",), ("6",)]
        replica.sql(LOCAL, f"DELETE FROM {schema}.own WHERE id = 6")
        assert state_of(replica, schema) == before

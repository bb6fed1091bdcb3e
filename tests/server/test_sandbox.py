"""The sandbox itself: topologies replicate, servers break as they are told, and nothing of them stays behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from repwatch.errors import Refused, ServerError
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer, plan
from repwatch.sandbox.breakage import BREAKAGES, apply
from repwatch.sandbox.folders import LOCK, OwnedFolder, remove_stale
from repwatch.sandbox.workload import Writer, load_shop

# Starts a sandbox, says what it has, and waits to be killed.
OWNER = """
import sys, time
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
box = Sandbox.start(Flavour(sys.argv[1]), replicas=1)
print(box.folder, *(f"{server.pid}:{server.port}" for server in box.servers), flush=True)
time.sleep(600)
"""
TABLES = ("shop.customers", "shop.orders", "shop.order_lines")


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a short name: sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="rw-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def own_star(flavour: Flavour) -> Iterator[Sandbox]:
    """A star of these tests' own."""
    with Sandbox.start(flavour, replicas=2) as box:
        yield box


def write_and_read(source: SandboxServer, box: Sandbox, name: str) -> None:
    source.sql(f"CREATE DATABASE {name}", f"CREATE TABLE {name}.t (id INT PRIMARY KEY)", f"INSERT INTO {name}.t VALUES (1), (2)")
    box.wait_caught_up(60)
    for replica in box.replicas:
        assert replica.sql(f"SELECT id FROM {name}.t ORDER BY id") == [("1",), ("2",)]


def test_a_star_replicates(star: Sandbox) -> None:
    write_and_read(star.source, star, "starry")
    star.source.sql("DROP DATABASE starry")
    star.wait_caught_up(60)


def test_a_new_replica_has_no_transaction_of_its_own(own_star: Sandbox) -> None:
    """On a star that nobody else has written to."""
    position = "@@GLOBAL.gtid_binlog_pos" if own_star.flavour is Flavour.MARIADB else "@@GLOBAL.gtid_executed"
    own_star.wait_caught_up(60)
    expected = own_star.source.sql(f"SELECT {position}")
    for replica in own_star.replicas:
        assert replica.sql(f"SELECT {position}") == expected


def test_servers_have_identities_of_their_own(star: Sandbox) -> None:
    identity = "@@server_id" if star.flavour is Flavour.MARIADB else "CONCAT(@@server_id, @@server_uuid)"
    assert len({server.sql(f"SELECT {identity}")[0] for server in star.servers}) == 3
    assert [server.sql("SELECT @@read_only") for server in star.servers] == [[("0",)], [("1",)], [("1",)]]


def test_no_account_is_open(star: Sandbox) -> None:
    for server in star.servers:
        column = "authentication_string" if star.flavour is Flavour.MYSQL else "CONCAT(plugin, authentication_string)"
        assert server.sql(f"SELECT user, host FROM mysql.user WHERE {column} = ''") == []


def test_the_watching_account_cannot_write(star: Sandbox) -> None:
    with star.source.connect(Account.WATCH) as session, pytest.raises(ServerError):
        session.execute("CREATE DATABASE should_not_be")


def test_a_chain_replicates(flavour: Flavour) -> None:
    with Sandbox.start(flavour, links=plan.chain(2)) as box:
        write_and_read(box.source, box, "chained")
        assert [server.spec().replicates_from for server in box.servers] == [None, None, "replica1"]


def test_one_replica_of_two_sources(flavour: Flavour) -> None:
    with Sandbox.start(flavour, links=plan.multi_source()) as box:
        for server, name in ((box.source, "one"), (box.server("source2"), "two")):
            write_and_read(server, box, name)
        assert box.server("replica1").spec().channels == {"first": "source", "second": "source2"}
        assert box.server("source2").sql("SHOW DATABASES LIKE 'one'") == []


def test_a_server_stops_starts_freezes_and_thaws(flavour: Flavour) -> None:
    with Sandbox.start(flavour, replicas=0) as box:
        server = box.source
        server.sql("CREATE DATABASE kept")
        for end in (server.stop, server.kill):
            end()
            assert not server.running
            assert not takes_connections(server.port)
            server.start()
            assert server.sql("SHOW DATABASES LIKE 'kept'") == [("kept",)]
        pid = server.pid
        server.freeze()
        assert Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
        server.thaw()
        assert server.sql("SELECT 1") == [("1",)]
        server.freeze()
        server.kill()
        assert not lives(pid)


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, scope="session")
def test_mysql_restarts_itself(flavour: Flavour) -> None:
    """As CLONE does at its end."""
    with Sandbox.start(flavour, replicas=0) as box:
        before = box.source.pid
        box.source.sql("RESTART")
        until(lambda: box.source.running and box.source.pid != before)
        box.source.wait_ready()
        assert box.source.sql("SELECT 1") == [("1",)]


def test_load_and_writer_reach_the_replicas(own_star: Sandbox) -> None:
    load_shop(own_star.source, rows=5000)
    writer = Writer(own_star.source, rate=200)
    with writer:
        until(lambda: writer.transactions > 100)
        own_star.source.kill()
        own_star.source.start()
        before = writer.transactions
        until(lambda: writer.transactions > before + 20)
    own_star.wait_caught_up(60)
    checksums = [server.sql(f"CHECKSUM TABLE {', '.join(TABLES)}") for server in own_star.servers]
    assert checksums[0] == checksums[1] == checksums[2]
    counts = [int(own_star.source.sql(f"SELECT COUNT(*) FROM {table}")[0][0] or 0) for table in TABLES]
    assert sum(counts) > 4500
    own_star.source.sql("DROP DATABASE shop")


def errno(server: SandboxServer, thread: str) -> str:
    with server.connect() as session:
        (row,) = session.texts("SHOW ALL SLAVES STATUS" if server.flavour is Flavour.MARIADB else "SHOW REPLICA STATUS")
    return row[f"Last_{thread}_Errno"] or ""


def test_each_way_to_break_breaks(own_star: Sandbox) -> None:
    box, (first, second) = own_star, own_star.replicas
    with pytest.raises(Refused):
        apply(box, "drift", None)
    with pytest.raises(Refused):
        apply(box, "stop-applier", "source")
    load_shop(box.source, rows=2000)
    box.wait_caught_up(60)
    apply(box, "drift", None)
    counts = [server.sql("SELECT COUNT(*), SUM(status = 'open') FROM shop.orders") for server in (box.source, first)]
    assert counts == [[("600", "120")], [("598", "1")]]
    sums = "SELECT SUM(total) FROM shop.orders"
    apply(box, "skip", "replica2")
    until(lambda: second.sql(sums) != box.source.sql(sums))
    apply(box, "errant", "replica2")
    apply(box, "idempotent", "replica2")
    mode = "slave_exec_mode" if box.flavour is Flavour.MARIADB else "replica_exec_mode"
    assert second.sql(f"SELECT @@GLOBAL.{mode}") == [("IDEMPOTENT",)]
    second.sql(f"SET GLOBAL {mode} = STRICT")
    for name in ("stop-applier", "stop-receiver"):
        apply(box, name, "replica2")
    with pytest.raises(Refused):
        box.wait_connected(1)
    apply(box, "start-replication", "replica2")
    box.wait_connected(60)
    apply(box, "applier-missing", "replica2")
    until(lambda: errno(second, "SQL") == "1032")
    apply(box, "applier-duplicate", "replica1")
    until(lambda: errno(first, "SQL") == "1062")
    apply(box, "writable", None)
    assert first.sql("SELECT @@read_only") == [("0",)]
    for name in ("kill-server", "start-server", "stop-server", "start-server", "freeze-server", "thaw-server"):
        apply(box, name, "replica1")
    assert first.sql("SELECT 1") == [("1",)]
    apply(box, "purge-logs", "replica2")
    until(lambda: errno(second, "IO") in ("1236", "13114"))
    assert len(BREAKAGES) == 16, "a new one wants a line here"


@contextmanager
def owner(flavour: Flavour, folder: Path) -> Iterator[tuple["subprocess.Popen[str]", Path, list[tuple[int, int]]]]:
    """A process with a sandbox, in whose home lies nonsense; its folder, and (pid, port) of its servers."""
    (folder / ".my.cnf").write_text("[mysqld]\nnonsense = yes\n[client]\nport = 1\n[mysql\n", encoding="ascii")
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "MYSQL_HOME": str(folder), "MYSQL_TCP_PORT": "1"}
    environment.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    process = subprocess.Popen([sys.executable, "-c", OWNER, flavour.value], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words, "the sandbox did not start"
        servers = [(int(pid), int(port)) for pid, port in (word.split(":") for word in words[1:])]
        yield process, Path(words[0]), servers
    finally:
        process.kill()
        process.communicate()


def test_nothing_outlives_a_killed_owner(flavour: Flavour, short_path: Path) -> None:
    with owner(flavour, short_path) as (process, folder, servers):
        assert all(lives(pid) and takes_connections(port) for pid, port in servers)
        process.kill()
        process.wait()
        until(lambda: not any(lives(pid) or takes_connections(port) for pid, port in servers))
        assert folder.exists()
        remove_stale(short_path)  # as the next start does
        assert list(short_path.glob("repwatch-*")) == []


def test_a_killed_keeper_takes_its_server_with_it(flavour: Flavour, short_path: Path) -> None:
    with owner(flavour, short_path) as (_, _, servers):
        pid, _ = servers[0]
        parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        until(lambda: not lives(pid))
        assert lives(servers[1][0])


def test_the_folder_of_a_live_sandbox_is_not_stale(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    first = OwnedFolder.temporary()
    second = OwnedFolder.temporary()
    assert first.path.exists()
    with pytest.raises(Refused):
        OwnedFolder.chosen(first.path)
    first.remove()
    second.remove()
    assert list(short_path.iterdir()) == []


def test_a_folder_in_the_making_is_not_taken_for_a_dead_one(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts look for what killed runs left, also while others begin; one without its lock would be removed soon."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    with ThreadPoolExecutor(8) as pool:
        owned = list(pool.map(lambda _: OwnedFolder.temporary(), range(400)))
    assert all((folder.path / LOCK).exists() for folder in owned)
    for folder in owned:
        folder.remove()
    assert list(short_path.iterdir()) == []


def test_a_chosen_folder_keeps_what_is_not_ours(short_path: Path) -> None:
    (short_path / "mine").touch()
    with pytest.raises(Refused):
        OwnedFolder.chosen(short_path)
    (short_path / "lock").touch()  # left by a killed run
    owned = OwnedFolder.chosen(short_path)
    (short_path / "servers").mkdir()
    owned.remove()
    assert [path.name for path in short_path.iterdir()] == ["mine"]
    with pytest.raises(Refused):
        OwnedFolder.chosen(short_path / ("long" * 30))


def command(*words: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "repwatch", "sandbox", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def run(*words: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    process = command(*words, environment=environment)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out


@pytest.mark.parametrize(
    "end", ["stop", pytest.param("SIGTERM", marks=pytest.mark.long), pytest.param("SIGINT", marks=pytest.mark.long)]
)
def test_the_command(flavour: Flavour, short_path: Path, end: str) -> None:
    folder = short_path / "box"
    topology = {"stop": ["--replicas", "1"], "SIGTERM": ["--chain", "1"], "SIGINT": ["--multi-source"]}[end]
    process = command("start", "--flavour", flavour.value, *topology, "--rows", "500", "--writes", "5", "--folder", str(folder))
    try:
        assert process.stdout is not None
        until(lambda: "ready" in process.stdout.readline(), 300)  # type: ignore[union-attr]
        configuration = folder / "repwatch.toml"
        assert configuration.stat().st_mode & 0o777 == 0o600
        assert run("start", "--folder", str(folder))[0] == 2
        assert run("break", "stop-applier", "--folder", str(folder))[0] == 0
        assert run("break", "stop-applier", "--server", "nobody", "--folder", str(folder))[0] == 2
        assert run("break", "no-such-thing", "--folder", str(folder))[0] == 2
        if end == "stop":
            assert run("stop", "--folder", str(folder))[0] == 0
        else:
            process.send_signal(signal.Signals[end])
        assert process.wait(180) == 0
    finally:
        process.kill()
        process.communicate()
    assert not folder.exists()
    assert run("stop", "--folder", str(folder))[0] == 2


def test_a_missing_server_program_is_said(short_path: Path) -> None:
    nowhere = {"PATH": str(short_path), "XDG_CACHE_HOME": str(short_path), "TMPDIR": str(short_path)}
    assert run("start", "--flavour", "mysql", environment=nowhere)[0] == 2
    assert list(short_path.iterdir()) == []


def test_a_folder_of_servers_is_looked_at_first(short_path: Path) -> None:
    """REPWATCH_SERVERS names a folder with a tree in it; here a script that says that it is a MariaDB of another version."""
    program = short_path / "other" / "bin" / "mariadbd"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'mariadbd  Ver 12.3.1-MariaDB for Linux on x86_64'\n", encoding="ascii")
    program.chmod(0o755)
    found = subprocess.run(
        [sys.executable, "-c", "from repwatch.sandbox.binaries import *; print(find(Flavour.MARIADB).version.number)"],
        env={**os.environ, "REPWATCH_SERVERS": str(short_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "(12, 3, 1)\n"


def test_topologies_that_contradict_each_other_are_refused() -> None:
    assert run("start", "--replicas", "1", "--multi-source")[0] == 2
    assert run("start", "--rows", "0", "--writes", "5")[0] == 2
    assert run("start", "--flavour", "oracle")[0] == 2

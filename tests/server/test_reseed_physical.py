"""`reseed --method physical` on real MariaDB servers: the files of the source take the place of a broken replica's."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.adapters.shell import HostShell
from repwatch.flows import reseed_physical
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Applied, Outcome
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.reseed.method import Method
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox.plan import chain
from repwatch.sql.replication import SourceLogin
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.conftest import start
from tests.server.killing import kill_at
from tests.server.reseeding import (
    CLOCK,
    break_with_1062,
    command,
    contents,
    healthy,
    journal_events,
    make_everything,
    request,
    run_command,
    tools,
    writer,
)

LOCAL = "SET SESSION sql_log_bin = 0"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A source and a replica of this module's own: system schemas are replaced, and servers stopped."""
    with start(Flavour.MARIADB, replicas=1) as made:
        made.source.sql("CREATE DATABASE shop CHARACTER SET utf8mb4")
        make_everything(made, "shop")
        made.source.sql("CREATE TABLE shop.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
        made.wait_caught_up(60)
        yield made


def physical(box: Sandbox) -> ReseedRequest:
    return request(box, box.replicas[0], login=True, method=Method.PHYSICAL)


def reseed(asked: ReseedRequest, folder: Path) -> Applied:
    plan = plan_reseed(asked, Session.connect, CLOCK, HostShell()).plan
    assert plan.refusals == ()
    return apply_reseed(asked, replace(tools(folder), shell=HostShell()), plan.plan_hash)


def beside(server: SandboxServer) -> list[str]:
    """What was left beside the data folder."""
    return sorted(path.name for path in server.folder.iterdir() if "repwatch" in path.name)


def test_a_broken_replica_ends_identical_and_replicating(box: Sandbox, tmp_path: Path) -> None:
    replica = box.replicas[0]
    box.source.sql(
        "CREATE TABLE shop.plain_files (id INT PRIMARY KEY) ENGINE=MyISAM",
        "INSERT INTO shop.plain_files VALUES (1)",
        "CREATE TABLE shop.versioned (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
        "INSERT INTO shop.versioned VALUES (1, 1)",
        "UPDATE shop.versioned SET v = 2",
    )
    box.wait_caught_up(60)
    replica.sql("SET GLOBAL event_scheduler = ON")
    break_with_1062(box, replica, "shop.busy", 1_000)
    replica.sql(LOCAL, "CREATE DATABASE extra", "DELETE FROM shop.child", "CREATE USER lost@localhost")
    ((server_id, threads),) = replica.sql("SELECT @@GLOBAL.server_id, @@GLOBAL.table_open_cache")
    with writer(box, "INSERT INTO shop.busy (v) VALUES (1)", "UPDATE shop.busy SET v = v + 1 ORDER BY id DESC LIMIT 5"):
        applied = reseed(physical(box), tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(box, replica)
    assert contents(replica, "shop") == contents(box.source, "shop")
    assert ("extra",) not in replica.sql("SHOW DATABASES")
    assert replica.sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'lost'") == [("0",)]
    assert replica.sql("SELECT @@GLOBAL.server_id, @@GLOBAL.table_open_cache") == [(server_id, threads)]
    assert replica.sql("SELECT v FROM shop.versioned FOR SYSTEM_TIME ALL ORDER BY v") == [("1",), ("2",)]
    statuses = replica.sql("SELECT STATUS FROM information_schema.EVENTS ORDER BY EVENT_NAME DESC")
    assert statuses == [("SLAVESIDE_DISABLED",), ("DISABLED",)]
    assert beside(replica) == []
    replica.stop()
    replica.start()
    box.source.sql("INSERT INTO shop.parent (name) VALUES ('after')", "DROP TABLE shop.plain_files, shop.versioned")
    box.wait_caught_up(60)
    assert contents(replica, "shop") == contents(box.source, "shop")


def sessions_in(server: SandboxServer) -> list[str]:
    """The names of the processes that work in its data folder, its own left out."""
    data, found = str(server.folder / "data"), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name = (process / "comm").read_text().strip()
            if str((process / "cwd").readlink()) == data and not name.startswith("mariadbd"):
                found.append(name)
    return found


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.02)


@pytest.fixture
def words(box: Sandbox, tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    """The configuration, and the arguments of the command."""
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(box.configuration(), encoding="utf-8")
    return configuration, (box.replicas[0].name, "--method", "physical", "--state", str(tmp_path / "state"))


def journal_of(box: Sandbox, folder: Path) -> Path:
    return folder / "state" / "reseed" / f"127.0.0.1_{box.replicas[0].port}.jsonl"


Words = tuple[Path, tuple[str, ...]]
MOMENTS = (
    ("folder", ""),
    ("begin", "streamed"),
    ("begin", "prepared"),
    ("done", "prepared"),
    ("begin", "stopped"),
    ("begin", "swapped"),
    ("done", "swapped"),
    ("done", "started"),
    ("begin", "positioned"),
    ("begin", "released"),
    ("begin", "proved"),
)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_at_each_step_it_goes_on_to_the_same_end(box: Sandbox, tmp_path: Path, words: Words) -> None:
    configuration, arguments = words
    replica = box.replicas[0]
    for number, moment in enumerate(MOMENTS):
        break_with_1062(box, replica, "shop.busy", 100_000 * (number + 1))
        replica.sql(LOCAL, "SET SESSION foreign_key_checks = 0", "DELETE FROM shop.child")
        kill_at(command(configuration, *arguments, "--apply", "--yes"), journal_of(box, tmp_path), moment)
        box.source.sql(f"INSERT INTO shop.busy (v) VALUES ({number})")
        again = ("--resume",) if number % 2 else ("--apply", "--yes")
        done = run_command(configuration, *arguments, *again)
        assert done.returncode == 0, (moment, done.stdout, done.stderr)
        healthy(box, replica)
        assert contents(replica, "shop") == contents(box.source, "shop"), moment
        assert beside(replica) == []


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(("done", "quiet"), marks=pytest.mark.long),
        pytest.param(("done", "prepared"), marks=pytest.mark.long),
        pytest.param(("begin", "swapped"), marks=pytest.mark.long),
        ("done", "started"),
    ],
    ids="-".join,
)
def test_cancel_puts_the_old_data_back(box: Sandbox, tmp_path: Path, words: Words, moment: tuple[str, str]) -> None:
    configuration, arguments = words
    replica = box.replicas[0]
    replica.sql(LOCAL, "CREATE DATABASE own", "CREATE TABLE own.t (id INT PRIMARY KEY)", "INSERT INTO own.t VALUES (7)")
    kill_at(command(configuration, *arguments, "--apply", "--yes"), journal_of(box, tmp_path), moment)
    if moment == ("done", "started"):  # nobody can have taken it for a healthy server
        assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
        assert replica.sql("SHOW ALL SLAVES STATUS") == []
        assert ("ENABLED",) not in replica.sql("SELECT STATUS FROM information_schema.EVENTS")
    done = run_command(configuration, *arguments, "--cancel")
    assert done.returncode == 0, done.stderr
    assert replica.sql("SELECT id FROM own.t") == [("7",)]
    assert beside(replica) == []
    healthy(box, replica)  # it goes on where it was
    replica.sql(LOCAL, "DROP DATABASE own")
    assert run_command(configuration, *arguments, "--cancel").returncode == 2
    assert contents(replica, "shop") == contents(box.source, "shop")


@pytest.mark.long
def test_a_copy_that_does_not_start_is_no_obstacle_to_cancel(box: Sandbox, tmp_path: Path, words: Words) -> None:
    configuration, arguments = words
    replica = box.replicas[0]
    text = configuration.read_text(encoding="utf-8")
    assert 'start = "rm ' in text
    configuration.write_text(text.replace('start = "rm ', 'start = "exit 1; rm '), encoding="utf-8")
    assert run_command(configuration, *arguments, "--apply", "--yes").returncode == 2
    assert ("done", "swapped") in journal_events(journal_of(box, tmp_path))
    configuration.write_text(text, encoding="utf-8")
    (replica.folder / "data" / "ibdata1").unlink()
    done = run_command(configuration, *arguments, "--cancel")
    assert done.returncode == 0, done.stderr
    assert beside(replica) == []
    healthy(box, replica)


@pytest.mark.long
def test_the_copy_of_an_interrupted_run_is_used_again(box: Sandbox, tmp_path: Path, words: Words) -> None:
    configuration, arguments = words
    journal = journal_of(box, tmp_path)
    kill_at(command(configuration, *arguments, "--apply", "--yes"), journal, ("done", "stopped"))
    assert run_command(configuration, *arguments, "--resume").returncode == 0
    assert journal_events(journal).count(("begin", "streamed")) == 1
    healthy(box, box.replicas[0])


@contextmanager
def held_up(box: Sandbox) -> Iterator[None]:
    """A backup of the source waits for its first lock."""
    with box.source.connect() as db:
        db.execute("BACKUP STAGE START")
        yield
        db.execute("BACKUP STAGE END")


def test_nothing_outlives_a_kill_and_nobody_sees_a_password(box: Sandbox, tmp_path: Path, words: Words) -> None:
    configuration, arguments = words
    secret = box.credentials.secret(Account.OPERATOR).text
    before = set(Path(tempfile.gettempdir()).glob("tmp.*"))
    with held_up(box):
        arguments_now = command(configuration, *arguments, "--apply", "--yes")
        process = subprocess.Popen(arguments_now, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        until(lambda: "mariadb-backup" in sessions_in(box.source))
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                assert secret.encode() not in line.read_bytes()
        for path in set(Path(tempfile.gettempdir()).glob("tmp.*")) - before:
            with suppress(OSError):  # somebody else's, gone by now, or a folder
                assert secret.encode() not in path.read_bytes()
        process.kill()
        until(lambda: sessions_in(box.source) == [])
    process.communicate()
    done = run_command(configuration, *arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr + journal_of(box, tmp_path).read_text(encoding="utf-8")
    healthy(box, box.replicas[0])


@pytest.mark.parametrize("end", ["source", "target"])
def test_a_server_that_dies_meanwhile_costs_nothing(box: Sandbox, tmp_path: Path, end: str) -> None:
    asked, replica, found = physical(box), box.replicas[0], list[Applied]()
    with held_up(box) if end == "target" else nullcontext():
        holder = box.source.connect() if end == "source" else None
        if holder:
            holder.execute("BACKUP STAGE START")
        thread = threading.Thread(target=lambda: found.append(reseed(asked, tmp_path)))
        thread.start()
        until(lambda: "mariadb-backup" in sessions_in(box.source))
        victim = box.source if end == "source" else replica
        victim.kill()
        victim.start()
    thread.join(300)
    if end == "source":
        assert found[0].outcome is Outcome.FAILED
        found = [reseed(asked, tmp_path)]
    assert found[0].outcome is Outcome.DONE, found[0].text
    healthy(box, replica)
    assert contents(replica, "shop") == contents(box.source, "shop")
    assert beside(replica) == []


def test_a_service_that_does_not_stop_is_told_and_nothing_is_moved(box: Sandbox, tmp_path: Path) -> None:
    replica = box.replicas[0]
    asked = physical(box)
    host = asked.replica.server.host
    assert host is not None
    stubborn = replace(asked.replica.server, host=replace(host, stop="echo will not >&2; exit 3"))
    applied = reseed(replace(asked, replica=ReplicaTarget(server=stubborn)), tmp_path)
    assert applied.outcome is Outcome.FAILED
    assert "will not" in applied.text
    assert contents(replica, "shop") == contents(box.source, "shop")
    assert cancel_reseed(asked, replace(tools(tmp_path), shell=HostShell()))
    assert beside(replica) == []
    healthy(box, replica)


def test_a_folder_that_cannot_be_moved_leaves_no_server_stopped(box: Sandbox, tmp_path: Path) -> None:
    replica, asked = box.replicas[0], physical(box)
    host = asked.replica.server.host
    assert host is not None
    in_the_way = replica.folder / "data.repwatch-old"
    in_the_way.write_text("a file, and no folder")
    # It returns while something works in the folder still, as a server does that is told to end and not waited for.
    stop = f"{host.stop}; (cd {replica.folder / 'data'} && exec sleep 2) & :"
    early = replace(asked.replica.server, host=replace(host, stop=stop))
    asked = replace(asked, replica=ReplicaTarget(server=early))
    assert reseed(asked, tmp_path).outcome is Outcome.FAILED
    assert replica.sql("SELECT COUNT(*) FROM shop.parent") == box.source.sql("SELECT COUNT(*) FROM shop.parent")
    in_the_way.unlink()
    applied = reseed(asked, tmp_path)
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical"), applied.text
    assert beside(replica) == []
    healthy(box, replica)


def test_no_second_server_is_started_while_the_first_may_still_end(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It no longer answers, and for longer than anybody waits it writes what it has in memory."""
    for name in ("_END_SECONDS", "_START_SECONDS"):
        monkeypatch.setattr(reseed_physical, name, 2)
    replica, asked, started = box.replicas[0], physical(box), tmp_path / "started"
    host = asked.replica.server.host
    assert host is not None
    slow = replace(host, stop=f"kill -STOP {replica.pid}", start=f"touch {started}")
    try:
        applied = reseed(replace(asked, replica=ReplicaTarget(server=replace(asked.replica.server, host=slow))), tmp_path)
    finally:
        replica.thaw()
    assert applied.outcome is Outcome.FAILED
    assert not started.exists()
    assert "data.repwatch-old" not in beside(replica)
    monkeypatch.undo()
    done = reseed(asked, tmp_path)
    assert (done.outcome, done.verdict, done.text) == (Outcome.DONE, "identical", "")
    assert beside(replica) == []
    healthy(box, replica)


def test_another_method_ends_what_files_began(box: Sandbox, tmp_path: Path, words: Words) -> None:
    """What was put aside goes with the proof, whoever proves it: a later reseed would take it for the data from before."""
    configuration, arguments = words
    replica = box.replicas[0]
    kill_at(command(configuration, *arguments, "--apply", "--yes"), journal_of(box, tmp_path), ("done", "started"))
    assert beside(replica) == ["data.repwatch-old"]
    rows = (arguments[0], "--method", "differential", *arguments[3:])
    done = run_command(configuration, *rows, "--apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert beside(replica) == []
    healthy(box, replica)
    assert contents(replica, "shop") == contents(box.source, "shop")


def test_another_method_that_is_given_up_leaves_the_mark_on_the_copy(box: Sandbox, tmp_path: Path, words: Words) -> None:
    configuration, arguments = words
    replica = box.replicas[0]
    kill_at(command(configuration, *arguments, "--apply", "--yes"), journal_of(box, tmp_path), ("done", "started"))
    rows = (arguments[0], "--method", "differential", *arguments[3:])
    kill_at(command(configuration, *rows, "--apply", "--yes"), journal_of(box, tmp_path), ("done", "quiet"))
    assert run_command(configuration, *arguments, "--cancel").returncode == 2
    assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
    done = run_command(configuration, *rows, "--resume")
    assert done.returncode == 0, done.stderr
    healthy(box, replica)
    assert beside(replica) == []


def test_a_copy_that_is_begun_anew_is_still_no_data_to_go_back_to(box: Sandbox, tmp_path: Path, words: Words) -> None:
    """Somebody touched the copy, so files are copied once more; then another method is tried, and given up."""
    configuration, arguments = words
    replica = box.replicas[0]
    kill_at(command(configuration, *arguments, "--apply", "--yes"), journal_of(box, tmp_path), ("done", "started"))
    replica.sql("SET GLOBAL gtid_slave_pos = '0-1-1'")
    kill_at(command(configuration, *arguments, "--resume"), journal_of(box, tmp_path), ("done", "quiet"))
    rows = (arguments[0], "--method", "differential", *arguments[3:])
    kill_at(command(configuration, *rows, "--apply", "--yes"), journal_of(box, tmp_path), ("done", "quiet"))
    assert run_command(configuration, *arguments, "--cancel").returncode == 2
    assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
    done = run_command(configuration, *rows, "--resume")
    assert done.returncode == 0, done.stderr
    healthy(box, replica)
    assert beside(replica) == []


@pytest.mark.long
def test_a_replica_of_a_replica(tmp_path: Path) -> None:
    """Its source has a position of its own in the files, which must not become that of the copy."""
    with Sandbox.start(Flavour.MARIADB, links=chain(2)) as line:
        middle, last = line.replicas
        line.source.sql("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
        line.wait_caught_up(60)
        last.sql(LOCAL, "DROP DATABASE shop")
        login = SourceLogin(address=middle.address, user="repl", password=line.credentials.secret(Account.REPLICATION).text)
        asked = ReseedRequest(
            source=middle.spec(), replica=ReplicaTarget(server=last.spec()), login=login, method=Method.PHYSICAL
        )
        with writer(line, "INSERT INTO shop.t (v) VALUES (1)"):
            applied = reseed(asked, tmp_path)
        assert (applied.outcome, applied.text) == (Outcome.DONE, "")
        line.wait_caught_up(60)
        assert contents(last, "shop") == contents(line.source, "shop")


@pytest.mark.long
def test_files_over_data_that_was_replaced_in_part_leave_no_way_back(box: Sandbox, tmp_path: Path, words: Words) -> None:
    configuration, arguments = words
    journal = journal_of(box, tmp_path)
    rows = (arguments[0], "--method", "logical", *arguments[3:])
    kill_at(command(configuration, *rows, "--apply", "--yes"), journal, ("written", ""))
    kill_at(command(configuration, *arguments, "--apply", "--yes"), journal, ("done", "started"))
    assert run_command(configuration, *arguments, "--cancel").returncode == 2
    done = run_command(configuration, *arguments, "--resume")
    assert done.returncode == 0, done.stderr
    healthy(box, box.replicas[0])
    assert contents(box.replicas[0], "shop") == contents(box.source, "shop")


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, ids=str)
def test_mysql_is_refused(star: Sandbox, tmp_path: Path) -> None:
    asked = request(star, star.replicas[0], login=True, method=Method.PHYSICAL)
    plan = plan_reseed(asked, Session.connect, CLOCK, HostShell()).plan
    assert {refusal.code for refusal in plan.refusals} == {"not-mariadb"}
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    words = (star.replicas[0].name, "--method", "physical", "--state", str(tmp_path), "--apply", "--yes", "--format", "json")
    done = run_command(configuration, *words)  # at once, and the reasons are shown as those of a plan are
    assert done.returncode == 2
    shown = json.loads(done.stdout)
    assert ([refusal["code"] for refusal in shown["refusals"]], "outcome" in shown) == (["not-mariadb"], False)
    assert (MARKER_SCHEMA,) not in star.replicas[0].sql("SHOW DATABASES")

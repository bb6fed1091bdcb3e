"""Every reason not to copy files, on real MariaDB servers in that state: it is told, and nothing of the target changes."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.adapters.shell import HostShell
from repwatch.errors import Refused
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.reseed.method import Method
from repwatch.sandbox import Sandbox, SandboxServer
from tests.conftest import start
from tests.server.disks import bind, mount, unmount
from tests.server.refusing import changed, everything_on
from tests.server.reseeding import CLOCK, request, tools

State = Callable[[Sandbox, Path], AbstractContextManager[ReseedRequest]]
LOCAL = "SET SESSION sql_log_bin = 0"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with start(Flavour.MARIADB, replicas=1) as made:
        made.source.sql("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)")
        made.wait_caught_up(60)
        yield made


def asked(box: Sandbox, *, login: bool = True) -> ReseedRequest:
    return request(box, box.replicas[0], login=login, method=Method.PHYSICAL)


def on_replica(wanted: ReseedRequest, server: ServerSpec) -> ReseedRequest:
    return replace(wanted, replica=ReplicaTarget(server=server))


def with_shell(server: ServerSpec, *shell: str) -> ServerSpec:
    assert server.host is not None
    return replace(server, host=replace(server.host, shell=shell))


@contextmanager
def no_host(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    wanted = asked(box)
    yield on_replica(wanted, replace(wanted.replica.server, host=None))


@contextmanager
def no_way(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    wanted = asked(box)
    yield on_replica(wanted, with_shell(wanted.replica.server, "false"))


def tool_folder(folder: Path, *left_out: str) -> str:
    """A PATH with what the scripts need, but for some. mariadbd lies in sbin, which is looked into in any case."""
    names = "sh mktemp head wc rm setsid cat kill sleep readlink mountpoint du cut df awk mbstream mariadb-backup"
    for name in names.split():
        if name not in left_out:
            (folder / name).symlink_to(shutil.which(name) or "/nowhere")
    return f"PATH={folder}"


@contextmanager
def no_tool(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    wanted = asked(box)
    path = tool_folder(folder, "mariadb-backup")
    yield replace(wanted, source=with_shell(wanted.source, "env", path, "sh", "-c"))


@contextmanager
def old_tool(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    wanted = asked(box)
    path = tool_folder(folder, "mariadb-backup")
    (folder / "mariadb-backup").write_text("#!/bin/sh\necho mariadb-backup based on MariaDB server 10.5.2-MariaDB\n")
    (folder / "mariadb-backup").chmod(0o755)
    yield on_replica(wanted, with_shell(wanted.replica.server, "env", path, "sh", "-c"))


@contextmanager
def mount_point(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    """Its data folder is a file system of its own, as it often is."""
    data = box.replicas[0].folder / "data"
    bind(data, data)
    try:
        yield asked(box)
    finally:
        unmount(data)


@contextmanager
def forgotten(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    """What was put aside by a reseed that nobody knows of any more."""
    old = box.replicas[0].folder / "data.repwatch-old"
    old.mkdir()
    try:
        yield asked(box)
    finally:
        old.rmdir()


@contextmanager
def other_account(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    """An account that only the replica has."""
    wanted, replica = asked(box), box.replicas[0]
    own = replace(wanted.replica.server.endpoint, user="own", password=LiteralSecret("its own secret"))
    make = "CREATE USER own@'%' IDENTIFIED BY 'its own secret'"
    replica.sql(LOCAL, make, "GRANT ALL ON *.* TO own@'%'")
    try:
        yield on_replica(wanted, replace(wanted.replica.server, operator=own))
    finally:
        replica.sql(LOCAL, "DROP USER own@'%'")


@contextmanager
def far_table(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    folder.chmod(0o777)
    make = f"CREATE TABLE shop.far (id INT PRIMARY KEY) DATA DIRECTORY = '{folder}'"
    box.source.sql(LOCAL, make)  # the servers share a machine: there can be one such file alone
    try:
        yield asked(box)
    finally:
        box.source.sql(LOCAL, "DROP TABLE shop.far")


@contextmanager
def encrypted(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    with changed(box.source, "SET GLOBAL aria_encrypt_tables = ON", "SET GLOBAL aria_encrypt_tables = OFF"):
        yield asked(box)


@contextmanager
def without_login(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    yield asked(box, login=False)


@contextmanager
def own_tables(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    wanted = asked(box)
    yield on_replica(wanted, replace(wanted.replica.server, local_tables=("reports.*",)))


@contextmanager
def in_memory(box: Sandbox, folder: Path) -> Iterator[ReseedRequest]:
    with changed(box.source, "CREATE TABLE shop.m (id INT PRIMARY KEY) ENGINE=MEMORY", "DROP TABLE shop.m"):
        box.wait_caught_up(60)
        yield asked(box)


STATES: tuple[tuple[str, State], ...] = (
    ("no-host", no_host),
    ("host-unreachable", no_way),
    ("tool-missing", no_tool),
    ("tool-version", old_tool),
    ("folder-fixed", mount_point),
    ("folder-left", forgotten),
    ("account-differs", other_account),
    ("files-elsewhere", far_table),
    ("encrypted", encrypted),
    ("no-replication-account", without_login),
    ("local-tables", own_tables),
    ("engine", in_memory),
)


def refused(wanted: ReseedRequest, replica: SandboxServer, folder: Path, code: str) -> None:
    """It is refused for that reason; nothing of the server or beside its data folder has changed."""

    def state() -> object:
        return (everything_on(replica), replica.pid, sorted(path.name for path in replica.folder.iterdir()))

    before = state()
    plan = plan_reseed(wanted, Session.connect, CLOCK, HostShell()).plan
    assert code in {refusal.code for refusal in plan.refusals}
    with pytest.raises(Refused):
        apply_reseed(wanted, replace(tools(folder), shell=HostShell()), plan.plan_hash)
    assert state() == before


@pytest.mark.parametrize(("code", "state"), STATES, ids=[code for code, _ in STATES])
def test_refused_and_nothing_changed(box: Sandbox, tmp_path: Path, code: str, state: State) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with state(box, place) as wanted:
        refused(wanted, box.replicas[0], tmp_path, code)
    box.wait_caught_up(60)


def test_a_small_disk_or_other_file_layout_is_refused(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """A sandbox of its own, on a disk that has no room for a second copy, and with another page size."""
    disk = tmp_path_factory.mktemp("d")
    mount(disk, "600m")
    try:
        with Sandbox.start(Flavour.MARIADB, replicas=1, folder=disk / "box") as small:
            small.source.sql("CREATE DATABASE shop")
            small.wait_caught_up(60)
            subprocess.run(["fallocate", "-l", "250M", str(disk / "full")], check=True)
            refused(asked(small), small.replicas[0], tmp_path, "disk-space")
            replica = small.replicas[0]
            replica.stop()
            replica.use("--innodb-data-file-path=ibdata1:12M;ibdata2:12M:autoextend")
            replica.start()
            small.wait_connected()
            refused(asked(small), replica, tmp_path, "settings-differ")
    finally:
        unmount(disk)

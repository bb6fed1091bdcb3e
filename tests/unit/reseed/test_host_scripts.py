"""The scripts that move data folders, on folders: whatever an interruption left, the next run ends the same way."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import product
from pathlib import Path

import pytest

from repwatch.reseed import host_scripts
from repwatch.reseed.host_scripts import Folders
from repwatch.reseed.hosts import HostFacts


def run(script: str, *, status: int = 0) -> str:
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """In a folder with an awkward name."""
    parent = tmp_path / "it's a $(folder)"
    parent.mkdir()
    return Folders(str(parent / "data"))


def make(folders: Folders, **contents: str) -> None:
    for name, text in contents.items():
        path = Path(getattr(folders, name))
        path.mkdir()
        (path / "what").write_text(text)


def there(folders: Folders) -> dict[str, str]:
    paths = {name: Path(getattr(folders, name)) for name in ("data", "new", "old", "gone")}
    return {name: (path / "what").read_text() for name, path in paths.items() if path.exists()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"data": "old", "new": "copy"}, {"data": "copy", "old": "old"}),
        ({"old": "old", "new": "copy"}, {"data": "copy", "old": "old"}),  # cut off between the two
        ({"data": "copy", "old": "old"}, {"data": "copy", "old": "old"}),  # done, and the answer lost
        ({"data": "copy", "old": "old", "new": "next"}, {"data": "next", "old": "old"}),  # the first copy was not proved
        ({"gone": "copy", "old": "old", "new": "next"}, {"data": "next", "old": "old"}),
    ],
)
def test_a_swap_keeps_the_old_data_and_may_be_repeated(folders: Folders, before: dict[str, str], after: dict[str, str]) -> None:
    make(folders, **before)
    for _ in range(2):
        run(host_scripts.swap(folders))
        assert there(folders) == after


@pytest.mark.parametrize("names", list(product([False, True], repeat=3)))
def test_the_old_data_comes_back_whatever_is_there(folders: Folders, names: tuple[bool, bool, bool]) -> None:
    """Where there is an old folder it is the data; where there is none, the data has never been moved."""
    new, old, gone = names
    make(folders, data="copy" if old else "old")
    make(folders, **{name: name for name, is_there in (("new", new), ("old", old), ("gone", gone)) if is_there})
    for _ in range(2):
        run(host_scripts.put_back(folders))
        assert there(folders) == {"data": "old"}


def test_cut_off_between_the_two_the_old_data_comes_back(folders: Folders) -> None:
    make(folders, old="old", gone="copy")
    run(host_scripts.put_back(folders))
    assert there(folders) == {"data": "old"}


def test_nothing_is_moved_where_there_is_nothing(folders: Folders) -> None:
    run(host_scripts.swap(folders), status=1)
    run(host_scripts.put_back(folders), status=1)
    assert there(folders) == {}


@pytest.mark.parametrize("script", [host_scripts.swap, host_scripts.put_back])
def test_nothing_is_moved_away_from_under_a_server(folders: Folders, script: Callable[[Folders], str]) -> None:
    make(folders, data="in use", new="copy", old="old")
    with subprocess.Popen(["sleep", "600"], cwd=folders.data) as server:
        run(script(folders), status=1)
        server.kill()
    assert there(folders) == {"data": "in use", "new": "copy", "old": "old"}


@pytest.mark.parametrize("script", [host_scripts.swap, host_scripts.put_back])
def test_a_server_that_is_about_to_end_is_waited_for(folders: Folders, script: Callable[[Folders, int], str]) -> None:
    """Its stop command may have returned before it ended."""
    make(folders, data="in use", new="copy", old="old")
    with subprocess.Popen(["sleep", "1"], cwd=folders.data):
        run(script(folders, 60))
    assert there(folders)["data"] != "in use"


@contextmanager
def working(*words: str, folder: str = "/") -> Iterator[None]:
    """A process that has printed a line, or none where it only sleeps; it goes with the block."""
    with subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if "sleep" not in words[0]:
                assert process.stdout is not None
                assert process.stdout.readline()
            yield
        finally:
            process.kill()


def locking(path: Path) -> AbstractContextManager[None]:
    """A process that works elsewhere and has locked a file of the data folder, as a server does."""
    path.touch()
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    return working(sys.executable, "-c", program, str(path))


@pytest.mark.parametrize("name", ["ibdata1", "aria_log_control"])
def test_a_server_that_nobody_sees_in_its_folder_is_known_by_its_locks(folders: Folders, name: str) -> None:
    """As one of another user, or of more capabilities."""
    make(folders, data="in use", new="copy", old="old")
    (Path(folders.new) / name).touch()
    with locking(Path(folders.data) / name):
        run(host_scripts.swap(folders), status=1)
        run(host_scripts.put_back(folders), status=1)
        assert run(host_scripts.start(folders, "echo began >&2")) == "busy\n"
    run(host_scripts.swap(folders))
    assert there(folders)["data"] == "copy"


def test_no_second_server_is_started_beside_one(folders: Folders, tmp_path: Path) -> None:
    make(folders, data="in use")
    server = tmp_path / "mariadbd"
    server.write_text("#!/bin/sh\necho\nread line\n")
    server.chmod(0o755)
    begin = host_scripts.start(folders, f"echo x >>{tmp_path}/started")
    with working(str(server), folder=folders.data):
        assert run(begin) == "busy\n"
    assert not (tmp_path / "started").exists()
    with working("sleep", "60", folder=folders.data):  # a person's shell is no server
        assert run(begin) == ""
    assert (tmp_path / "started").read_text() == "x\n"


def test_a_copy_that_is_being_deleted_is_not_ready(folders: Folders) -> None:
    make(folders, data="old", new="copy")
    (Path(folders.new) / "repwatch-ready").write_text("r1 0-1-5\n")
    run(f"rm() {{ return 1; }}\n{host_scripts.put_back(folders)}")  # killed there
    assert run(host_scripts.is_ready(folders, "r1")) == ""
    run(host_scripts.put_back(folders))
    assert there(folders) == {"data": "old"}


@pytest.mark.parametrize("before", [{"data": "copy", "old": "old"}, {"data": "copy", "gone": "old"}, {"data": "copy"}])
def test_once_proved_the_old_data_goes(folders: Folders, before: dict[str, str]) -> None:
    make(folders, **before)
    for _ in range(2):
        run(host_scripts.discard_old(folders))
        assert there(folders) == {"data": "copy"}


def test_a_copy_is_ready_for_its_own_run_alone(folders: Folders) -> None:
    make(folders, data="old", new="copy")
    assert run(host_scripts.is_ready(folders, "r1")) == ""
    (Path(folders.new) / "repwatch-ready").write_text("r1 0-1-5,1-1-7\n")
    assert run(host_scripts.is_ready(folders, "r1")) == "ready 0-1-5,1-1-7\n"
    assert run(host_scripts.is_ready(folders, "r2")) == ""
    (Path(folders.new) / "repwatch-ready").write_text("r1 \n")
    assert run(host_scripts.is_ready(folders, "r1")) == "ready \n"  # a source that has never logged anything


def test_what_is_there_is_named(folders: Folders) -> None:
    make(folders, data="x", old="y")
    assert run(host_scripts.which(folders)).split() == ["data", "old"]


def test_a_look_names_the_folder_without_links_and_leaves_logs_out(tmp_path: Path) -> None:
    data = tmp_path / "real"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    (data / "table.ibd").write_bytes(b"x" * 500_000)
    (data / "bin.000001").write_bytes(b"x" * 5_000_000)
    facts = HostFacts.parse(run(host_scripts.look(f"{tmp_path}/link/", ("bin.[0-9]*",))))
    assert facts.folders.data == str(data)
    assert facts.writable
    assert not facts.left
    (tmp_path / "real.repwatch-old").mkdir()
    assert HostFacts.parse(run(host_scripts.look(f"{tmp_path}/link/", ()))).left
    assert not facts.own_mount
    assert 400_000 < facts.used < 2_000_000
    assert facts.free > 0
    assert run(host_scripts.look("/no/such/folder", ()), status=1) == ""


def test_a_glance_names_commands_that_are_not_there(tmp_path: Path) -> None:
    commands = ("no-such-command --now", "cd /", "'unclosed", "", "also$none x")
    facts = HostFacts.parse(run(host_scripts.glance(str(tmp_path), commands)))
    assert facts.unknown == ("no-such-command", "also$none")
    assert (facts.folders.data, facts.writable, facts.used) == (str(tmp_path), True, -1)
    assert HostFacts.parse(run(host_scripts.glance(str(tmp_path), ()))).unknown == ()


@pytest.mark.parametrize(("command", "status"), [("exit 5", 5), ("true", 0), ("sleep 20 & true", 0)])
def test_a_stop_command_is_waited_for_and_not_what_it_leaves(command: str, status: int) -> None:
    done = subprocess.run(
        ["sh", "-c", host_scripts.stop(f"echo said; echo $$; {command}")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == status
    assert "said" in done.stderr

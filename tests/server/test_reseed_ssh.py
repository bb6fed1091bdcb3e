"""`reseed --method physical` over ssh, as users who are not root, set up as docs/reseed.md says."""

import getpass
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repwatch.adapters.shell import HostShell
from repwatch.model.server import Flavour
from repwatch.model.topology import HostSpec
from repwatch.ports.shell import Job
from repwatch.sandbox import Sandbox
from tests.conftest import start
from tests.server.reseeding import break_with_1062, contents, healthy, make_everything, run_command, writer
from tests.server.rooted import as_root
from tests.server.ssh import ssh_server, unix_user

SUDO = r'command="exec sudo -n sh -c \"$SSH_ORIGINAL_COMMAND\"",restrict'


@pytest.fixture(scope="module")
def owner() -> Iterator[str]:
    """The user as whom the servers run: not root, who would have to make one first."""
    if os.geteuid() != 0:
        yield getpass.getuser()
        return
    with unix_user() as name:
        yield name


@pytest.fixture(scope="module")
def box(owner: str) -> Iterator[Sandbox]:
    """A source and a replica whose processes and files are that user's."""
    with start(Flavour.MARIADB, replicas=1) as made:
        made.source.sql("CREATE DATABASE shop CHARACTER SET utf8mb4")
        make_everything(made, "shop")
        made.source.sql("CREATE TABLE shop.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
        made.wait_caught_up(60)
        for server in made.servers:
            server.stop()
            as_root("chown", "-R", f"{owner}:", str(server.folder))
            as_root("chmod", "711", str(made.folder), str(server.folder.parent))
            if os.geteuid() == 0:
                server.use(f"--user={owner}")
            server.start()
        made.wait_connected()
        yield made


CALLER = """\
import sys
from repwatch.adapters.shell import HostShell
from repwatch.model.topology import HostSpec
from repwatch.ports.shell import Job
HostShell().run(Job(host=HostSpec(shell=tuple(sys.argv[2:])), script=sys.argv[1]))
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.05)


def ends_with_its_caller(shell: tuple[str, ...], note: Path) -> None:
    """A script whose caller is killed is killed there, whoever runs it."""
    script = f"echo $$ >{note}.new; mv {note}.new {note}; exec sleep 1000"
    with subprocess.Popen([sys.executable, "-c", CALLER, script, *shell]) as caller:
        try:
            until(note.exists)
            process = Path("/proc") / str(int(note.read_text(encoding="ascii")))
            assert process.exists()
        finally:
            caller.kill()
    until(lambda: not process.exists())
    as_root("rm", str(note))


@pytest.mark.long
@pytest.mark.parametrize("sudo", [False, True], ids=["owner", "sudo"])
def test_who_is_not_root_makes_a_replica_anew(box: Sandbox, owner: str, tmp_path: Path, *, sudo: bool) -> None:
    """As the owner of the data, or as somebody whose key leads to nothing but a shell by way of sudo."""
    replica = box.replicas[0]
    with unix_user(sudo=True) as stranger:
        user = stranger if sudo else owner
        with ssh_server(tmp_path, user, SUDO if sudo else "") as door:
            shell = ", ".join(f'"{word}"' for word in door.shell(user))
            configuration = tmp_path / "repwatch.toml"
            text = box.configuration()
            assert text.count("host = { ") == 2
            configuration.write_text(text.replace("host = { ", f"host = {{ shell = [{shell}], "), encoding="utf-8")
            break_with_1062(box, replica, "shop.busy", 2_000_000 if sudo else 1_000_000)
            replica.sql("SET SESSION sql_log_bin = 0", "DELETE FROM shop.child")
            words = (replica.name, "--method", "physical", "--state", str(tmp_path / "state"), "--apply", "--yes")
            with writer(box, "INSERT INTO shop.busy (v) VALUES (1)"):
                done = run_command(configuration, *words)
            assert done.returncode == 0, done.stdout + done.stderr
            host = HostSpec(shell=door.shell(user))
            assert HostShell().run(Job(host=host, script="id -un")).strip() == ("root" if sudo else owner)
            ends_with_its_caller(door.shell(user), replica.folder / "tmp" / "note")
    healthy(box, replica)
    assert contents(replica, "shop") == contents(box.source, "shop")
    assert [path.name for path in replica.folder.iterdir() if "repwatch" in path.name] == []
    assert {path.owner() for path in (replica.folder / "data").rglob("*")} == {owner}
    replica.stop()
    replica.start()
    healthy(box, replica)

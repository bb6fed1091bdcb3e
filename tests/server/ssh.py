"""A real sshd on a loopback port, with keys and accounts of its own: a way to a machine for users who are not root."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from repwatch.sandbox.ports import ReservedPort
from tests.server.rooted import as_root

SSHD = "/usr/sbin/sshd"


@contextmanager
def unix_user(*, sudo: bool = False) -> Iterator[str]:
    """The name of a new user without a home; with `sudo` one who may do everything without a password."""
    name = f"repwatch-{secrets.token_hex(4)}"
    rule = Path("/etc/sudoers.d") / name
    # Without PAM sshd lets nobody in whose password is locked ("!"), as that of a new user is.
    as_root("useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", "*", name)
    try:
        if sudo:
            as_root("sh", "-c", f"umask 337; echo '{name} ALL=(ALL) NOPASSWD: ALL' >{rule}")
        yield name
    finally:
        as_root("rm", "-f", str(rule))
        as_root("userdel", "--force", name)


@dataclass(frozen=True, kw_only=True)
class Door:
    """How to come in."""

    port: int
    key: Path
    known: Path

    def shell(self, user: str) -> tuple[str, ...]:
        """As `host.shell` of the configuration."""
        options = (f"UserKnownHostsFile={self.known}", "BatchMode=yes", "IdentitiesOnly=yes")
        words = [word for option in options for word in ("-o", option)]
        return ("ssh", "-F", "none", *words, "-i", str(self.key), "-p", str(self.port), f"{user}@127.0.0.1")


@contextmanager
def ssh_server(folder: Path, user: str, forced: str = "") -> Iterator[Door]:
    """For that user alone. `forced`: options before the key in its file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT")."""
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)], check=True)
    port = ReservedPort()
    # Root reads the file for its user, but as that user: the folder of a test is root's alone.
    keys = Path("/tmp") / f"repwatch-keys-{secrets.token_hex(4)}"
    keys.write_text(f"{forced} {(folder / 'client.pub').read_text(encoding='ascii')}".lstrip(), encoding="ascii")
    keys.chmod(0o644)
    host_key = (folder / "host.pub").read_text(encoding="ascii")
    (folder / "known").write_text(f"[127.0.0.1]:{port.number} {host_key}", encoding="ascii")
    settings = (
        f"Port {port.number}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host'}",
        f"PidFile {folder / 'sshd.pid'}",
        f"AuthorizedKeysFile {keys}",
        f"AllowUsers {user}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
    )
    (folder / "sshd_config").write_text("\n".join(settings) + "\n", encoding="ascii")
    as_root("mkdir", "-p", "/run/sshd")  # the package's service makes it (sshd(8), "FILES")
    command = ["setpriv", "--pdeathsig", "TERM", SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
    with subprocess.Popen(command if os.geteuid() == 0 else ["sudo", "-n", *command]) as process:
        try:
            _wait_open(port.number)
            yield Door(port=port.number, key=folder / "client", known=folder / "known")
        finally:
            as_root("sh", "-c", f"kill $(cat {folder / 'sshd.pid'})")
            process.wait(60)
            keys.unlink()
            port.release()


def _wait_open(port: int) -> None:
    deadline = time.monotonic() + 60
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.05)

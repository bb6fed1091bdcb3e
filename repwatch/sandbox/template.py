"""Data folders: made once, then copied, because making one takes seconds."""

import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

from repwatch.errors import Refused
from repwatch.model.server import Flavour
from repwatch.sandbox.binaries import Installation, cache_folder
from repwatch.sandbox.folders import OwnedFolder
from repwatch.sandbox.options import storage_options

SECONDS = 240
_LOCK = threading.Lock()
_MADE: dict[tuple[str, ...], Path] = {}


def copy_template(installation: Installation, target: Path) -> None:
    """Put a fresh data folder at `target`, which must not exist. Raises Refused if the server cannot make one."""
    with _LOCK:
        if installation.command not in _MADE:
            _MADE[installation.command] = _data_folder(installation)
    shutil.copytree(_MADE[installation.command], target)


def server_environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's: MYSQL_HOME, MYSQL_TCP_PORT and the like would change what servers do."""
    return {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin", "HOME": str(home), "LC_ALL": "C"}


def _data_folder(installation: Installation) -> Path:
    if installation.root == cache_folder():
        kept = _kept(installation)
        if kept is not None:
            return kept
    folder = OwnedFolder.temporary()
    atexit.register(folder.remove)
    return _make(installation, folder.path / "data")


def _kept(installation: Installation) -> Path | None:
    """Inside the cached server's own tree, once for all runs; None where that tree is not ours to write to."""
    key = hashlib.sha256(repr((installation.version.text, storage_options(installation.flavour), os.getuid())).encode())
    kept = cache_folder() / "var/cache/repwatch" / f"data-{key.hexdigest()[:16]}"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(kept.parent, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            partial = kept.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            _make(installation, partial).rename(kept)
    finally:
        os.close(lock)
    return kept


def _make(installation: Installation, data: Path) -> Path:
    command = _mysql(installation, data) if installation.flavour is Flavour.MYSQL else _mariadb(installation, data)
    # A server that starts removes the temporary tables of any other that shares its folder for them.
    command.append(f"--tmpdir={data.parent}")
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env=server_environment(data.parent),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{command[0]} did not make a data folder: {type(error).__name__}") from None
    if done.returncode:
        lines = done.stdout.splitlines()
        told = "\n".join([line for line in lines if "ERROR" in line] or lines[-15:])
        raise Refused(f"{command[0]} did not make a data folder (status {done.returncode}):\n{told}")
    # A copy with the same identity would be refused as a replica of its twin.
    (data / "auto.cnf").unlink(missing_ok=True)
    return data


def _mysql(installation: Installation, data: Path) -> list[str]:
    return [*installation.command, "--initialize-insecure", f"--datadir={data}", *storage_options(Flavour.MYSQL)]


def _mariadb(installation: Installation, data: Path) -> list[str]:
    options = ["--no-defaults", "--auth-root-authentication-method=socket", "--skip-test-db", f"--datadir={data}"]
    if installation.root is not None:
        base = installation.root / "usr" if (installation.root / "usr").is_dir() else installation.root
        options.append(f"--basedir={base}")
    return [_install_db(installation.root), *options, *storage_options(Flavour.MARIADB)]


def _install_db(root: Path | None) -> str:
    if root is None:
        found = shutil.which("mariadb-install-db")
    else:
        places = (root / folder / "mariadb-install-db" for folder in ("usr/bin", "bin", "scripts"))
        found = next((str(place) for place in places if place.is_file()), None)
    if found is None:
        raise Refused("mariadb-install-db was not found", hint="install mariadb-server-core and mariadb-client")
    return found

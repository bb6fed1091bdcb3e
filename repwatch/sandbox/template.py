"""Data folders: made once for each flavour and process, then copied, because making one takes seconds."""

import atexit
import os
import shutil
import subprocess
import threading
from pathlib import Path

from repwatch.errors import Refused
from repwatch.model.server import Flavour
from repwatch.sandbox.binaries import Installation
from repwatch.sandbox.folders import OwnedFolder
from repwatch.sandbox.options import storage_options

SECONDS = 240
_LOCK = threading.Lock()
_MADE: dict[tuple[str, ...], Path] = {}


def copy_template(installation: Installation, target: Path) -> None:
    """Put a fresh data folder at `target`, which must not exist. Raises Refused if the server cannot make one."""
    with _LOCK:
        if installation.command not in _MADE:
            _MADE[installation.command] = _make(installation)
    shutil.copytree(_MADE[installation.command], target)


def server_environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's: MYSQL_HOME, MYSQL_TCP_PORT and the like would change what servers do."""
    return {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin", "HOME": str(home), "LC_ALL": "C"}


def _make(installation: Installation) -> Path:
    folder = OwnedFolder.temporary()
    atexit.register(folder.remove)
    data = folder.path / "data"
    command = _mysql(installation, data) if installation.flavour is Flavour.MYSQL else _mariadb(installation, data)
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
            env=server_environment(folder.path),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{command[0]} did not make a data folder: {type(error).__name__}") from None
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise Refused(f"{command[0]} did not make a data folder (status {done.returncode}):\n{last}")
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

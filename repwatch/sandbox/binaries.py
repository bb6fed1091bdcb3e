"""Finds server binaries on this machine and says how to run them.

Looked at, in this order: the folder that REPWATCH_SERVERS names (a server's own tree, or a folder of such trees), the
cached tree that `scripts/fetch-mysql` makes (MySQL), then PATH and /usr/sbin.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repwatch.errors import Refused
from repwatch.model.server import Flavour, ServerVersion

VARIABLE = "REPWATCH_SERVERS"
_SERVER_NAMES = {Flavour.MARIADB: ("mariadbd", "mysqld"), Flavour.MYSQL: ("mysqld",)}
_FOLDERS = ("usr/sbin", "sbin", "bin", "usr/bin", "libexec")
_HINTS = {
    Flavour.MARIADB: f"install mariadb-server-core and mariadb-client, or name a folder with the server in {VARIABLE}",
    Flavour.MYSQL: f"run scripts/fetch-mysql, or name a folder with the server in {VARIABLE}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One server program: its version and the command that runs it, ready for more options."""

    version: ServerVersion
    command: tuple[str, ...]
    root: Path | None = None  # the tree it was found in; None: it is installed on the machine

    @property
    def flavour(self) -> Flavour:
        """Of the program, as it says itself."""
        return self.version.flavour


def cache_folder() -> Path:
    """Where `scripts/fetch-mysql` puts the server."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repwatch" / "mysql"


def find(flavour: Flavour) -> Installation:
    """The first server program of that flavour. Raises Refused if there is none."""
    for program, root in _candidates(flavour):
        command = _how_to_run(program, root)
        version = _version(command)
        if version is not None and version.flavour is flavour:
            return Installation(version=version, command=command, root=root)
    raise Refused(f"no {flavour.value} server program was found on this machine", hint=_HINTS[flavour])


def _candidates(flavour: Flavour) -> Iterator[tuple[Path, Path | None]]:
    for root in _roots(flavour):
        for folder in _FOLDERS:
            for name in _SERVER_NAMES[flavour]:
                if (root / folder / name).is_file():
                    yield root / folder / name, root
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    for name in _SERVER_NAMES[flavour]:
        found = shutil.which(name, path=path)
        if found:
            yield Path(found), None


def _roots(flavour: Flavour) -> Iterator[Path]:
    given = os.environ.get(VARIABLE)
    if given:
        yield Path(given).absolute()
        yield from sorted(path for path in Path(given).absolute().glob("*") if path.is_dir())
    if flavour is Flavour.MYSQL:
        yield cache_folder()


def _how_to_run(program: Path, root: Path | None) -> tuple[str, ...]:
    """The command without arguments of its own.

    `--defaults-file` must come first: no option file of anybody is read. `--no-defaults` would leave `SET PERSIST` out too.
    """
    if root is None:
        return (str(program), "--defaults-file=/dev/null")
    base = root / "usr" if (root / "usr").is_dir() else root
    options = ("--defaults-file=/dev/null", f"--basedir={base}")
    loader = next(iter(sorted(root.glob("usr/lib*/ld-linux*.so.*"))), None)
    if loader is None:
        return (str(program), *options)
    # A tree that was unpacked from another distribution brings its own C library, and runs through its own loader.
    libraries = [*sorted(base.glob("lib/*-linux-gnu")), base / "lib/mysql/private"]
    prefix = (str(loader), "--library-path", ":".join(map(str, libraries)), str(program))
    share = base / "share/mysql"
    places = (
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--plugin-dir={base / 'lib/mysql/plugin'}",
    )
    return (*prefix, *options, *places)


def _version(command: tuple[str, ...]) -> ServerVersion | None:
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL
        )
        return ServerVersion.parse(done.stdout.partition("Ver ")[2], done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None

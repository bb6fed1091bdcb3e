"""A PostgreSQL server of the tests' own: a folder and a socket, no port, and nobody's service."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

PATIENT = 60.0
ROLE = "repwatch"
# It gives nothing for safety that a test would see, and takes little.
_CLUSTER = ("-E", "UTF8", "--locale=C", "--no-sync")
_OPTIONS = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60", "listen_addresses=")


class Postgres:
    """A running server. It ends with `close`, or with this process, however that ends."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process

    @classmethod
    def start(cls) -> Self:
        """Made from nothing, in about a second; a failure of the test says what is missing."""
        programs = _programs()
        folder = Path(tempfile.mkdtemp(prefix="rw-pg-"))  # short: a socket's path has 107 bytes at most
        user: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to be root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = str(folder / "data")
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(initdb, check=True, cwd="/", stdout=subprocess.DEVNULL, **user)
        options = [word for option in (*_OPTIONS, f"unix_socket_directories={folder}") for word in ("-c", option)]
        server: list[str | Path] = ["setpriv", "--pdeathsig", "KILL", "--", programs / "postgres", "-D", data, *options]
        with (folder / "log").open("wb") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                server, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user
            )
        made = cls(folder, process)
        made._wait_until_it_answers()
        made.sql(f"CREATE ROLE {ROLE} LOGIN")
        return made

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENT
        while True:
            try:
                self.sql("SELECT 1")
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"PostgreSQL does not start: {error}\n{(self.folder / 'log').read_text()}", pytrace=False)
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """Stop it, and remove what it had."""
        self.process.send_signal(signal.SIGINT)  # "fast": it waits for no client
        try:
            self.process.wait(PATIENT)
        finally:
            self.process.kill()
            shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The name of an empty one that belongs to ROLE."""
        name = f"t_{secrets.token_hex(4)}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE}")
        return name

    def drop(self, database: str) -> None:
        """With the sessions that are in it. The server itself waits for them for five seconds at most."""
        deadline = time.monotonic() + PATIENT
        while True:
            try:
                self.sql(f"DROP DATABASE {database} WITH (FORCE)")
            except psycopg.errors.ObjectInUse:
                assert time.monotonic() < deadline, "its sessions do not end"
            else:
                return

    def url(self, database: str) -> str:
        """As a store's configuration has it."""
        return f"postgresql+psycopg://{ROLE}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A session of the superuser, who is not the service."""
        return psycopg.connect(host=str(self.folder), dbname=database, user="postgres", autocommit=True)

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Rows, none of a statement that gives none."""
        with self.connect(database) as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def _programs() -> Path:
    """The folder of the newest server that is installed; Debian keeps it out of everybody's PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    if not folders:
        pytest.fail("PostgreSQL is not installed: scripts/test does that on Debian", pytrace=False)
    return folders[-1]


def _version(folder: Path) -> float:
    return float(folder.parent.name)

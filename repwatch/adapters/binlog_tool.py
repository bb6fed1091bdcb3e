"""Reads a binary log with the tool of its flavour, `mariadb-binlog` or `mysqlbinlog` (`ports.binlog.ReadBinlog`).

The tool decodes rows into comments and prints what `mysql` runs again; the server itself only shows that there were rows.
"""

import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from repwatch.adapters.folders import sync_folder
from repwatch.adapters.secrets import redact, reveal
from repwatch.errors import Refused, StoreError
from repwatch.model.endpoint import Endpoint, TlsMode
from repwatch.model.server import Flavour, ServerVersion
from repwatch.ports.binlog import Extract

_PROGRAMS: Final = {Flavour.MARIADB: ("mariadb-binlog", "mysqlbinlog"), Flavour.MYSQL: ("mysqlbinlog",)}
_VERSION: Final = re.compile(r"Ver (\d+)")
_FIRST_OF_MYSQL: Final = 8  # MySQL counts its tool as its server, MariaDB's is 3.x
_GTID: Final = re.compile(rb"^(?:SET @@SESSION\.GTID_NEXT= '([0-9a-f-]{36}:[^']+)'|#\d{6} .*\tGTID (\d+-\d+-\d+)\b)")
_SILENCE: Final = 300.0  # seconds without a byte; the server has only to read a file
_BLOCK: Final = 1 << 16
_LONG: Final = 4096  # no line that says a GTID is as long


def read_binlog(
    endpoint: Endpoint, version: ServerVersion, extract: Extract, path: Path, header: Sequence[str]
) -> frozenset[str]:
    """Write the file beside, sync it, then give it its name, which must be free."""
    program = _program(version.flavour)
    part = path.with_name(f"{path.name}.part")
    seen: set[str] = set()
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(f"-- {line}\n".encode() for line in header)
            for command in _commands(program, endpoint, version.flavour, extract):
                seen |= _run(command, endpoint, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename it takes nobody's place
        sync_folder(path.parent)
    except FileExistsError:
        raise Refused(f"there is a file {path} already", hint="name another one for --export-errant") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}", hint="name another file") from None
    finally:
        with suppress(OSError):
            part.unlink()
    return frozenset(seen)


def _program(flavour: Flavour) -> str:
    for name in _PROGRAMS[flavour]:
        if (found := shutil.which(name)) and _is_of(flavour, found):
            return found
    package = "mariadb-client" if flavour is Flavour.MARIADB else "the MySQL client programs"
    raise Refused(f"{_PROGRAMS[flavour][0]} is not on this machine", hint=f"install {package}, or leave --export-errant out")


def _is_of(flavour: Flavour, program: str) -> bool:
    try:
        done = subprocess.run([program, "--no-defaults", "--version"], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    found = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    return found is not None and (int(found[1]) >= _FIRST_OF_MYSQL) is (flavour is Flavour.MYSQL)


def _commands(program: str, endpoint: Endpoint, flavour: Flavour, extract: Extract) -> Iterator[list[str]]:
    """One for MySQL; on MariaDB one for each server, as the tool takes only one."""
    address = endpoint.address
    place = [f"--socket={address.socket}"] if address.socket else [f"--host={address.host}", f"--port={address.port}"]
    words = [program, "--no-defaults", "--read-from-remote-server", *place, f"--user={endpoint.user}", "--verbose"]
    words += _mariadb_tls(endpoint) if flavour is Flavour.MARIADB else _mysql_tls(endpoint)
    log = ["--to-last-log", extract.first_log]
    if flavour is Flavour.MYSQL:
        yield [*words, f"--include-gtids={extract.gtids}", *log]
        return
    for server_id in extract.server_ids:
        # An errant transaction makes sequence numbers run backwards, at which the tool (10.8 and newer) would stop.
        yield [*words, "--loose-skip-gtid-strict-mode", f"--server-id={server_id}", *log]


def _mysql_tls(endpoint: Endpoint) -> list[str]:
    words = [f"--ssl-mode={endpoint.tls.value.upper().replace('-', '_')}"]
    words += [f"--ssl-ca={endpoint.ca}"] if endpoint.ca else []
    # caching_sha2_password wants one or the other; the driver asks for the key as well.
    return words + (["--get-server-public-key"] if endpoint.tls in (TlsMode.DISABLED, TlsMode.PREFERRED) else [])


def _mariadb_tls(endpoint: Endpoint) -> list[str]:
    if endpoint.tls is TlsMode.DISABLED:
        return ["--skip-ssl"]
    words = [f"--ssl-ca={endpoint.ca}"] if endpoint.ca else ["--ssl"]
    # Without it the tool takes an unencrypted connection too where the server offers no other.
    verified = endpoint.tls in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY)
    return words + (["--ssl-verify-server-cert"] if verified else [])


def _run(command: Sequence[str], endpoint: Endpoint, file: BinaryIO) -> set[str]:
    """Run it into the file; the GTIDs of what was read. The password travels in the environment, where no other user sees it."""
    password = reveal(endpoint.password) if endpoint.password else ""
    seen: set[str] = set()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env={**os.environ, "MYSQL_PWD": password}
        ) as process,
    ):
        try:
            for first, line in _lines(process):
                file.write(line)
                if first and (found := _GTID.match(line)):
                    seen.add((found[1] or found[2]).decode("ascii"))
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            said.seek(0)
            raise Refused(f"{Path(command[0]).name} failed: {redact(_last_line(said.read()))}", hint="nothing was changed")
    return seen


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[tuple[bool, bytes]]:
    """What it prints, by line; a long one (a large value) comes in pieces, of which the first is True."""
    assert process.stdout is not None
    rest, first = b"", True
    while True:
        if not select.select([process.stdout], [], [], _SILENCE)[0]:
            raise Refused(f"the binary log tool was silent for {_SILENCE:.0f} s", hint="nothing was changed")
        block = os.read(process.stdout.fileno(), _BLOCK)
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield first, line + b"\n"
            first = True
        if len(rest) > _LONG:
            yield first, rest
            rest, first = b"", False
    yield first, rest


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"

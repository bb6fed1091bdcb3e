"""Scripts on the machines of servers, here or through a command such as ssh (`ports.shell.Shell`)."""

import fcntl
import os
import select
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.secrets import redact, reveal
from repwatch.errors import HostFailed
from repwatch.model.endpoint import Endpoint, TlsMode
from repwatch.ports.shell import Job
from repwatch.reseed.host_scripts import option_file

_HERE: Final = ("sh", "-c")
_SILENT: Final = 1800.0  # seconds without a byte of a stream, or to its end: the tool waits for a lock, or its machine has gone
_CHUNK: Final = 1 << 20
_TOLD: Final = 400  # characters of what a script complained of
_END_SECONDS: Final = 20.0  # for a script to go when it is told to

# The script runs in a session of its own. Beside it, `cat` waits for the end of standard input, which is that of the caller.
# Who is killed before all of the feed was written leaves a part of it, and the script could be done with that before its end.
_LEASH: Final = """\
exec 4<&0
f=$(mktemp) && exec 3<>"$f" && rm -f "$f" && head -c {size} <&4 >&3 || exit 1
[ "$(wc -c </proc/self/fd/3)" -eq {size} ] || exit 1
setsid sh -c {script} </dev/null 4<&- & job=$!
(cat <&4; kill -TERM -$job; sleep 5; kill -KILL -$job) >/dev/null 2>&1 3<&- & leash=$!
wait $job; status=$?; kill $leash 2>/dev/null; exit $status
"""


class HostShell:
    """Runs scripts with `sh`. Needs setsid, head and mktemp there, as every Linux has them. `silent`: seconds of a stream."""

    def __init__(self, silent: float = _SILENT) -> None:
        self._silent = silent

    def run(self, job: Job) -> str:
        """Run it to its end; what it printed."""
        with _started(job, stdout=subprocess.PIPE) as running:
            assert running.process.stdout is not None
            printed = _read_all(running.process.stdout.fileno(), job)
            running.finish(self._silent)
            return printed.decode("utf-8", "backslashreplace")

    def pipe(self, giver: Job, taker: Job, tell: Callable[[int], None]) -> int:
        """Run both, the output of one into the input of the other; the bytes that passed."""
        with _started(giver, stdout=subprocess.PIPE) as gives, _taking(taker) as takes:
            assert gives.process.stdout is not None
            assert takes.process.stdin is not None
            try:
                passed = _pass_on(gives.process.stdout.fileno(), takes.process.stdin.fileno(), tell, self._silent)
            except BrokenPipeError:
                takes.finish(self._silent)
                raise HostFailed("what was to be written was not read to its end") from None
            gives.finish(self._silent)  # before its reader hears of the end: what was cut off is not to be taken for whole
            takes.process.stdin.close()
            takes.finish(self._silent)
            return passed

    def login(self, endpoint: Endpoint) -> str:
        """An option file with which the tools of MariaDB log in as that account."""
        password = reveal(endpoint.password) if endpoint.password else ""
        tls = endpoint.tls not in (TlsMode.DISABLED, TlsMode.PREFERRED)
        return option_file(endpoint.address, endpoint.user, password, tls=tls)


@dataclass(frozen=True, slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    complaints: IO[bytes]

    def finish(self, seconds: float) -> None:
        """Wait for its end, when it has said all. Raises HostFailed with what it complained of, or where it does not come."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise HostFailed(f"{_where(self.process.args)} did not end for {seconds:g} s after its last word") from None
        if status:
            raise HostFailed(_told(self.process.args, self.complaints, status))


@contextmanager
def _started(job: Job, stdout: int) -> Iterator[_Running]:
    """A script on its leash: standard input stays open until the end of the block."""
    feed = job.feed.encode()
    leash = _LEASH.format(size=len(feed), script=shlex.quote(job.script))
    with _process(job, leash, stdout) as running:
        assert running.process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once, and says why
            running.process.stdin.write(feed)
            running.process.stdin.flush()
        yield running


@contextmanager
def _taking(job: Job) -> Iterator[_Running]:
    """A script that reads its standard input, and so notices the end of the caller by itself."""
    with _process(job, job.script, subprocess.DEVNULL) as running:
        yield running


@contextmanager
def _process(job: Job, script: str, stdout: int) -> Iterator[_Running]:
    command = [*(job.host.shell or _HERE), script]
    with tempfile.TemporaryFile() as complaints:
        try:
            # A Ctrl-C is for us, who end them in order.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=stdout, stderr=complaints, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise HostFailed(f"{command[0]} cannot be run: {error.strerror}", hint="look at host.shell") from None
        try:
            yield _Running(process, complaints)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_all(source: int, job: Job) -> bytes:
    """What it prints until it ends. Raises HostFailed where that lasts too long: a connection may hang for ever."""
    clock, printed = SystemClock(), bytearray()
    until = clock.monotonic() + job.seconds
    while select.select([source], [], [], max(0.0, until - clock.monotonic()))[0]:
        chunk = os.read(source, _CHUNK)
        if not chunk:
            return bytes(printed)
        printed += chunk
    where = job.host.shell[0] if job.host.shell else "a command on this machine"
    raise HostFailed(f"{where} did not end within {job.seconds:g} s", hint="try host.shell by hand")


def _pass_on(source: int, sink: int, tell: Callable[[int], None], silent: float) -> int:
    """All bytes until the end of `source`, which the kernel moves.

    Raises BrokenPipeError, and HostFailed where nothing comes, or is taken, for so many seconds.
    """
    clock, passed, told = SystemClock(), 0, 0.0
    for pipe in (source, sink):
        with suppress(OSError):  # more than this user may have: then it takes more turns
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _CHUNK)
    while True:
        if not select.select([source], [], [], silent)[0]:
            raise HostFailed(f"nothing came for {silent:g} s", hint="look at the process list of the source")
        if not select.select([], [sink], [], silent)[1]:
            raise HostFailed(f"nothing was taken for {silent:g} s", hint="look at the replica's machine and its disk")
        moved = os.splice(source, sink, _CHUNK)
        if not moved:
            return passed
        passed += moved
        if clock.monotonic() - told >= 1.0:
            told = clock.monotonic()
            tell(passed)


def _told(command: object, complaints: IO[bytes], status: int) -> str:
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 4 * _TOLD))
    lines = [line.strip() for line in complaints.read().decode("utf-8", "replace").splitlines() if line.strip()]
    words = redact("; ".join(lines[-3:]))[-_TOLD:]
    return f"{_where(command)} ended with status {status}: {words or 'it said nothing'}"


def _where(command: object) -> str:
    return str(command[0]) if isinstance(command, list) and command[0] != "sh" else "a command on this machine"

"""One server of a sandbox: its process, its accounts, and the ways to break it."""

import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused, ServerError
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import HostSpec, ServerSpec
from repwatch.ports.database import Timeouts, as_text
from repwatch.sandbox import keeper
from repwatch.sandbox.accounts import Account, Credentials
from repwatch.sandbox.binaries import Installation
from repwatch.sandbox.options import server_options
from repwatch.sandbox.plan import Seat
from repwatch.sandbox.ports import ReservedPort
from repwatch.sandbox.template import copy_template, server_environment

START_SECONDS = 180
STOP_SECONDS = 60
LOG_LINES = 15


class SandboxServer:
    """A real server on a loopback port. Not safe for use by two threads at once."""

    def __init__(
        self, seat: Seat, installation: Installation, parent: Path, credentials: Credentials, options: tuple[str, ...] = ()
    ) -> None:
        self.seat = seat
        self.name = seat.name
        self.folder = parent / seat.name
        self.log_file = self.folder / "server.log"
        self._installation = installation
        self._credentials = credentials
        self._port = ReservedPort()
        self._keeper: subprocess.Popen[bytes] | None = None
        self.address = Address("127.0.0.1", self._port.number)
        self._options = (*server_options(self.flavour, seat, self.folder, self._port.number), *options)

    @property
    def flavour(self) -> Flavour:
        """MariaDB or MySQL."""
        return self._installation.flavour

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; the same after a restart."""
        return self.address.port

    @property
    def pid(self) -> int:
        """The server's process id. Raises Refused if it does not run."""
        if not self.running:
            raise Refused(f"{self.name} does not run")
        return int((self.folder / "pid").read_text(encoding="ascii"))

    @property
    def running(self) -> bool:
        """True while the process exists, frozen or not."""
        return self._keeper is not None and self._keeper.poll() is None

    def endpoint(self, account: Account = Account.ROOT) -> Endpoint:
        """How that account logs in over TCP."""
        return Endpoint(self.address, account.value, self._credentials.secret(account))

    def spec(self) -> ServerSpec:
        """As a configuration would name it: WATCH watches, OPERATOR repairs."""
        return ServerSpec(
            endpoint=self.endpoint(Account.WATCH),
            operator=self.endpoint(Account.OPERATOR),
            name=self.name,
            replicates_from=self.seat.replicates_from,
            channels=dict(self.seat.channels),
            host=self._host() if self.flavour is Flavour.MARIADB else None,
        )

    def _host(self) -> HostSpec:
        """This machine, with a keeper for a service manager."""
        parked, pid = (shlex.quote(str(self.folder / name)) for name in (keeper.PARKED, "pid"))
        gone = "while kill -0 $pid 2>/dev/null && ! grep -qs '^State:.Z' /proc/$pid/status; do sleep 0.05; done"
        return HostSpec(stop=f"touch {parked}; pid=$(cat {pid}); kill $pid 2>/dev/null; {gone}", start=f"rm -f {parked}")

    def connect(self, account: Account = Account.ROOT, timeouts: Timeouts | None = None) -> Session:
        """A new session. Raises as Session.connect."""
        return Session.connect(self.endpoint(account), timeouts or Timeouts(connect=30, read=120))

    def sql(self, *statements: str) -> list[tuple[str | None, ...]]:
        """Run statements as root on one connection; the rows of the last one."""
        rows: list[tuple[str | None, ...]] = []
        with self.connect() as session:
            for statement in statements:
                rows = [tuple(map(as_text, row)) for row in session.query(statement).rows]
        return rows

    def use(self, *options: str) -> None:
        """Give it these options, too, from its next start on; the last one of a name counts."""
        if any(option.startswith("--user=") for option in options):  # of this alone the first one counts on MariaDB
            self._options = tuple(option for option in self._options if not option.startswith("--user="))
        self._options = (*self._options, *options)

    def prepare(self) -> None:
        """Make the data folder and the file that creates the accounts at the first start."""
        self.folder.mkdir(mode=0o700)
        (self.folder / "tmp").mkdir()
        copy_template(self._installation, self.folder / "data")
        self._accounts_file.touch(mode=0o600)
        self._accounts_file.write_text(self._credentials.init_file(self._installation.version), encoding="ascii")

    @property
    def _accounts_file(self) -> Path:
        return self.folder / "accounts.sql"

    @property
    def command(self) -> tuple[str, ...]:
        """What runs it, as it is run by its keeper."""
        return (*self._installation.command, *self._options, f"--init-file={self._accounts_file}")

    def launch(self) -> None:
        """Start the process and return at once; `wait_ready` waits for it."""
        if self.running:
            return
        (self.folder / keeper.PARKED).unlink(missing_ok=True)
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(self.folder / "pid"), str(self.log_file), *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=server_environment(self.folder),
            start_new_session=True,  # a Ctrl-C on the terminal is for the owner, who stops its servers
        )

    def wait_ready(self) -> None:
        """Wait until root can log in. Raises Refused with the end of the server's log if it does not come up."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            if not self.running:
                raise Refused(f"{self.name} ended while it started:\n{self.log_tail()}")
            try:
                self.connect(timeouts=Timeouts(connect=5, read=30)).close()
                break
            except ServerError as error:
                if time.monotonic() > deadline:
                    raise Refused(
                        f"{self.name} did not answer within {START_SECONDS:.0f} s ({error}):\n{self.log_tail()}"
                    ) from None
            time.sleep(0.05)
        # It has been read; the option names it still when the server starts itself again.
        self._accounts_file.write_text("", encoding="ascii")

    def start(self) -> None:
        """Start it and wait until it answers; does nothing if it runs."""
        self.launch()
        self.wait_ready()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Shut it down in order; kill it if that takes longer than `seconds`."""
        self._signal("SIGCONT")
        self._signal("SIGTERM")
        self._wait_gone(seconds)

    def kill(self) -> None:
        """End it as a power cut of the process would (SIGKILL)."""
        self._signal("SIGKILL")
        self._wait_gone(STOP_SECONDS)

    def freeze(self) -> None:
        """Stop the process in its tracks (SIGSTOP): connections stay open, nothing answers."""
        self._signal("SIGSTOP")
        self._wait_state("T")

    def thaw(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._signal("SIGCONT")

    def close(self) -> None:
        """End the process and give its port back; the folder stays."""
        self.kill()
        self._port.release()

    def log_tail(self) -> str:
        """The last lines of the server's error log."""
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(it wrote no log)"
        return "\n".join(lines[-LOG_LINES:])

    def _signal(self, name: str) -> None:
        if self._keeper is None or self._keeper.stdin is None:
            return
        with suppress(BrokenPipeError, ValueError):
            self._keeper.stdin.write(f"{name}\n".encode("ascii"))
            self._keeper.stdin.flush()

    def _wait_gone(self, seconds: float) -> None:
        if self._keeper is None:
            return
        try:
            self._keeper.wait(seconds)
        except subprocess.TimeoutExpired:
            self._signal("SIGKILL")
            self._keeper.wait(STOP_SECONDS)
        if self._keeper.stdin is not None:
            with suppress(BrokenPipeError):
                self._keeper.stdin.close()
        self._keeper = None

    def _wait_state(self, letter: str) -> None:
        stat = Path("/proc") / str(self.pid) / "stat"
        deadline = time.monotonic() + STOP_SECONDS
        while stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] != letter:
            if time.monotonic() > deadline:
                raise Refused(f"{self.name} did not stop in its tracks")
            time.sleep(0.01)

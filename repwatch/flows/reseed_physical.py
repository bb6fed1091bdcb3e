"""The data folder of a replica, replaced by a copy of its source's: made beside it, put in its place, or the old one put back.

Each function may be repeated after an interruption at any moment: what lies there tells how far it came.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from repwatch.errors import HostFailed, LoginRefused, NotMySQL, ServerError, Unreachable
from repwatch.flows.beside import beside
from repwatch.flows.reseed_tools import Tools
from repwatch.model.plan import Outcome
from repwatch.model.topology import HostSpec, ServerSpec
from repwatch.ports.database import Timeouts
from repwatch.ports.shell import Job
from repwatch.reseed import host_scripts
from repwatch.reseed.host_scripts import Folders
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql import physical, snapshot

_GLANCE = Timeouts(connect=4.0, read=10.0)
_PATIENT = Timeouts(connect=10.0, read=600.0)
_START_SECONDS = 900.0  # the server recovers what its own start left
_STOP_SECONDS = 60.0  # after its stop command has returned it answers no more
_END_SECONDS = 300  # and then it may write what it has in memory
_POLL = 0.05
_LOOK = 1.0  # between looks whether a server works in the folder, each of which may be a login

Step = Callable[[str, Callable[[], None]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A replica's machine, and where its data is."""

    server: ServerSpec
    host: HostSpec
    folders: Folders
    tools: Tools

    def run(self, script: str, feed: str = "") -> str:
        """Run a script there. Raises HostFailed."""
        return self.tools.shell.run(Job(host=self.host, script=script, feed=feed))


def wake_target(server: ServerSpec, tools: Tools, *, back: bool) -> None:
    """Start the target where an interrupted reseed by files left it stopped, so that it can be asked. Raises HostFailed.

    With `back` on the old data in any case: the copy may be what does not start.
    """
    machine = left_machine(server, tools)
    if machine is None or _answers(machine):
        return
    if not back:
        wake(machine)
    elif not put_back(machine):
        start(machine)


def left_machine(server: ServerSpec, tools: Tools) -> Machine | None:
    """The target's machine if a reseed by files has begun and not ended, as the journal has it: the server may be down."""
    folder = ""
    for entry in tools.journal.entries():
        if entry["event"] == "folder":
            folder = entry["data"]
        elif entry["event"] == "cancelled" or entry.get("outcome") == Outcome.DONE.value:
            folder = ""
    if not folder or server.host is None:
        return None
    return machine_of(server, tools, Folders(folder))


def machine_of(server: ServerSpec, tools: Tools, folders: Folders) -> Machine:
    """The machine of a server whose host is in the configuration."""
    return Machine(server=server, host=server.host or HostSpec(), folders=folders, tools=tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """Of which server, for which run of a reseed. `marker` is what the copy says of itself, by its position."""

    source: ServerSpec
    run: str
    size: int  # bytes, an estimate
    marker: Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a backup was unpacked to. `ready`: it says that it is half loaded, and only has to be put in its place."""

    position: str
    ready: bool


def make_copy(machine: Machine, backup: Backup, step: Step) -> Copy:
    """A copy beside the data; one that this run has made before is taken as it is. Raises HostFailed, ServerError."""
    ready, _, position = machine.run(host_scripts.is_ready(machine.folders, backup.run)).strip().partition(" ")
    if ready:
        return Copy(position=position, ready=True)
    step("streamed", lambda: _stream(machine, backup))
    found: list[str] = []
    step("prepared", lambda: found.append(_prepare(machine, backup)))
    return Copy(position=found[0], ready=False)


def _stream(machine: Machine, backup: Backup) -> None:
    tools, giving = machine.tools, backup.source.host or HostSpec()
    began = tools.clock.monotonic()

    def tell(passed: int) -> None:
        total, seconds = max(backup.size, passed), tools.clock.monotonic() - began
        tools.progress(Progress(phase=Phase.STREAM, done=passed, total=total, seconds=seconds))

    tell(0)
    login = tools.shell.login(backup.source.writer)
    giver = Job(host=giving, script=host_scripts.give(giving.threads), feed=login)
    taker = Job(host=machine.host, script=host_scripts.take(machine.folders, machine.host.threads))
    tools.shell.pipe(giver, taker, tell)


def _prepare(machine: Machine, backup: Backup) -> str:
    machine.tools.progress(Progress(phase=Phase.RECOVER))
    file, _, place = machine.run(host_scripts.prepare(machine.folders)).strip().partition("\t")
    place = place.partition("\t")[0]
    if not (file and place.isdigit()):
        raise HostFailed("the backup does not say where it stands in the source's binary log")
    with machine.tools.connect(backup.source.writer, _PATIENT) as db:
        position = db.scalar(snapshot.MARIADB_GTID_AT, (file, int(place)))
        if position is None:
            raise ServerError(f"has deleted {file} since the backup began: keep binary logs for longer", server=db.server)
    return position


def put_in_place(machine: Machine, backup: Backup, copy: Copy, step: Step) -> None:
    """Stop the server, let the copy be its data, start it and wait until it answers. The old data stays beside it.

    Raises HostFailed. Where the server cannot be stopped, or its data not be moved, it is not left stopped.
    """
    machine.tools.progress(Progress(phase=Phase.SWAP))
    try:
        step("stopped", lambda: _stop_and_mark(machine, backup, copy))
        step("swapped", lambda: _quietly(machine, host_scripts.swap))
    except HostFailed as error:
        try:
            if not _answers(machine):
                wake(machine)
        except HostFailed as left:
            raise HostFailed(f"{error}; {left}", hint=left.hint) from None
        raise
    step("started", lambda: start(machine))


def _stop_and_mark(machine: Machine, backup: Backup, copy: Copy) -> None:
    """The copy is marked, by a server that starts and ends on it, while the server on the old data ends."""
    stopping = beside(partial(stop, machine), "stop the target")
    try:
        if not copy.ready:
            feed = physical.bootstrap(backup.marker(copy.position))
            machine.run(host_scripts.mark(machine.folders, backup.run, copy.position), feed)
    finally:
        wait([stopping])  # whoever starts it again must not meet its end
    stopping.result()


def put_back(machine: Machine) -> bool:
    """Let the old data be the server's again, and delete the copy; whether the server was stopped for it."""
    kept = "old" in _names(machine)
    if kept:
        stop(machine)
    _quietly(machine, host_scripts.put_back)
    if kept:
        start(machine)
    return kept


def wake(machine: Machine) -> None:
    """Start a server that was left stopped, on the copy where the old data has made room for it, else on the old data."""
    names = _names(machine)
    if "data" not in names:
        _quietly(machine, host_scripts.swap if "new" in names else host_scripts.put_back)
    start(machine)


def discard_old(machine: Machine) -> None:
    """Delete the old data and all that was made for the copy."""
    machine.run(host_scripts.discard_old(machine.folders))


def stop(machine: Machine) -> None:
    """Raises HostFailed where the server still answers after its command has returned."""
    machine.run(host_scripts.stop(machine.host.stop))
    if not _until(machine, lambda: not _answers(machine), _STOP_SECONDS):
        raise HostFailed(f"{machine.server.label} still answers after: {machine.host.stop}", hint="look at host.stop")


def start(machine: Machine) -> None:
    """Start it, unless it runs; one that is about to end, or begins, is waited for: two on one folder destroy it.

    Raises HostFailed where it still does not answer after a quarter of an hour.
    """
    command = host_scripts.start(machine.folders, machine.host.start)
    if not _until(machine, lambda: "busy" not in machine.run(command).split() or _lets_in(machine), _START_SECONDS, _LOOK):
        raise HostFailed(
            f"{machine.server.label} does not answer, and a server still works in {machine.folders.data}: none was started",
            hint="when it has ended, `repwatch reseed --resume` goes on, and `--cancel` puts the old data back",
        )
    if not _until(machine, lambda: _lets_in(machine), _START_SECONDS):
        raise HostFailed(
            f"{machine.server.label} does not answer after: {machine.host.start}",
            hint="look at its error log; `repwatch reseed --cancel` puts the old data back",
        )


def _quietly(machine: Machine, script: Callable[[Folders, int], str]) -> None:
    machine.run(script(machine.folders, _END_SECONDS))


def _names(machine: Machine) -> list[str]:
    return machine.run(host_scripts.which(machine.folders)).split()


def _answers(machine: Machine) -> bool:
    try:
        machine.tools.connect(machine.server.writer, _GLANCE).close()
    except Unreachable:
        return False
    except (LoginRefused, NotMySQL):
        pass
    return True


def _lets_in(machine: Machine) -> bool:
    with suppress(Unreachable):
        machine.tools.connect(machine.server.writer, _GLANCE).close()
        return True
    return False


def _until(machine: Machine, condition: Callable[[], bool], seconds: float, poll: float = _POLL) -> bool:
    deadline = machine.tools.clock.monotonic() + seconds
    while not condition():
        if machine.tools.clock.monotonic() > deadline:
            return False
        machine.tools.clock.sleep(poll)
    return True

"""Makes a replica a physical copy of another server by MySQL's clone plugin: what must be known before, the copy, the restart.

The statement runs on a session of its own, and what the server says of it decides: the answer comes before the restart, may be
lost, and is an error where nothing starts the server again (3707), although its data is complete. A clone goes on when nobody
waits for it any more, so an interrupted one is waited for, not begun again.

That session is the only one that stays open meanwhile, and so it has the turn: a server that ends waits two seconds where any
other session is idle (MySQL, `close_connections` in sql/mysqld.cc). Until the clone ends nobody else gets the turn, also where
the one who began it was killed.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Final

from repwatch.errors import Refused, ServerError, StatementRefused, Unreachable
from repwatch.flows.beside import beside
from repwatch.flows.reseed_accounts import missing_grants, shut_out
from repwatch.flows.turn import take_turn
from repwatch.model.endpoint import Endpoint
from repwatch.model.topology import ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.reseed.facts import CloneFacts, CloneSide
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql import clone as sql
from repwatch.sql.clone import CloneState, CloneStatus
from repwatch.sql.privileges import clone_needs
from repwatch.sql.replication import SourceLogin

_BACK_SECONDS: Final = 900.0  # for the restart, with recovery; or until somebody has started the server
_ABANDONED_SECONDS: Final = 20.0  # a server that goes down for its restart is gone by then
_POLL: Final = 1.0  # while data is copied; the answer to the statement ends the pause
_ENDING: Final = 0.1  # after the answer, for the server to end
_SOON: Final = (0.02, 0.5)  # while the server restarts: the first pause, and the longest, which is a twentieth of the wait
_DAYS: Final = Timeouts(connect=10.0, read=1_000_000.0)  # the answer comes when all is copied
_LOOK: Final = Timeouts(connect=5.0, read=30.0)


class CloneFailed(ServerError):
    """The clone ended with an error; `is_untouched` tells whether the target has lost data."""


@dataclass(frozen=True, slots=True)
class AskedAccounts:
    """The plugins of both sides, and whoever will be shut out of a clone, who is asked for only where both can clone."""

    plugins: tuple[frozenset[str], frozenset[str]]
    shut_out: Future[tuple[str, ...]] | None


def ask_accounts(source: Database, target: Database, replica: ServerSpec, connect: Connect) -> AskedAccounts | None:
    """Begin to try the target's accounts on the source, which takes logins. None where versions forbid a clone."""
    if not (sql.supports(source.version) and sql.supports(target.version) and sql.same_series(source.version, target.version)):
        return None
    plugins = _plugins(source), _plugins(target)
    if not all(sql.PLUGIN in side for side in plugins):
        return AskedAccounts(plugins, None)
    return AskedAccounts(plugins, beside(partial(shut_out, source.endpoint, replica, connect), "try accounts"))


def clone_facts(source: Database, target: Database, asked: AskedAccounts | None) -> CloneFacts | None:
    """What `reseed/clone.py` decides on. None where versions forbid it. Raises ServerError."""
    if asked is None:
        return None
    return CloneFacts(
        donor=_side(source, asked.plugins[0]),
        target=_side(target, asked.plugins[1]),
        address=source.endpoint.address,
        missing_grants=missing_grants(target, clone_needs(target.version)),
        outside_files=tuple(row["file"] or "" for row in source.texts(sql.OUTSIDE_FILES)),
        state=clone_status(target).state if asked.shut_out else CloneState.NONE,
        scheduler=target.scalar(sql.SCHEDULER) or "",
        persisted=target.scalar(sql.PERSISTED_READ_ONLY) or "",
        shut_out=asked.shut_out.result() if asked.shut_out else (),
    )


def _plugins(db: Database) -> frozenset[str]:
    return frozenset((row["PLUGIN_NAME"] or "").lower() for row in db.texts(sql.PLUGINS))


def _side(db: Database, plugins: frozenset[str]) -> CloneSide:
    (build,) = db.texts(sql.BUILD)
    return CloneSide(
        plugins=plugins,
        registered=db.scalar(sql.REGISTERED) != "0",
        platform=build["os"] or "",
        charset=build["charset"] or "",
        storage=build["storage"] or "",
        file_bytes=int(db.scalar(sql.FILE_BYTES) or 0),
    )


def clone_status(db: Database) -> CloneStatus:
    """What became of the last clone into this server. The plugin must be there."""
    try:
        return sql.status(db.texts(sql.STATUS))
    except StatementRefused:
        return CloneStatus(state=CloneState.NONE)  # the table comes with the plugin


def disable_events(db: Database) -> None:
    """As replication would have made them: enabled ones run on the source alone. Safe to repeat."""
    for row in db.texts(sql.ENABLED_EVENTS):
        db.execute(sql.disable_event(row, db.version))


def is_untouched(db: Database, before: CloneStatus) -> bool:
    """True if a clone that failed after `before` has removed nothing."""
    return clone_status(db).begun == before.begun or db.scalar(sql.DROPPED) == "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What a clone needs to reach its servers and people."""

    target: Endpoint
    connect: Connect
    clock: Clock
    progress: Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """The session that has the turn, which is closed; and what raises Refused where another one has taken it over since."""

    session: Database
    check: Callable[[Database], None]


def clone(doors: Doors, login: SourceLogin, before: CloneStatus, turn: Turn) -> str:
    """Replace everything of the target by the donor's; returns the position when the target has started again.

    `before` is the status before it. Raises CloneFailed, and ServerError where the target does not come back in time.
    """
    return _Watch(doors, before.begun, _Asking(doors, login, turn)).wait()


def wait_for_clone(doors: Doors, before: str) -> None:
    """Until the clone that an interrupted reseed began after `before` has ended, somehow, and the server is back. As `clone`."""
    with suppress(CloneFailed):
        _Watch(doors, before, None).wait()


class _Asking:
    """The statement, in a thread that may be left behind: where the network is cut its answer never comes."""

    def __init__(self, doors: Doors, login: SourceLogin, turn: Turn) -> None:
        self._doors = doors
        self._login = login
        self._turn = turn
        self.refused: ServerError | None = None
        self._thread = Thread(target=self._run, name="clone", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """The server, or the network, has answered."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until it has ended, or for so long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            with self._doors.connect(self._doors.target, _DAYS) as db:
                self._ask(db)
        except StatementRefused as error:
            if error.errno != sql.RESTART_FAILED:
                self.refused = error
        except ServerError:
            return  # the answer was lost: what the server says counts

    def _ask(self, db: Database) -> None:
        self._turn.session.close()
        if not take_turn(db, self._doors.clock):
            raise StatementRefused("another repair or reseed has begun", server=db.server)
        try:
            self._turn.check(db)
        except Refused as trouble:
            raise StatementRefused(str(trouble), server=db.server) from None
        donors = db.scalar(sql.DONORS)
        db.execute(sql.allow_donor(self._login))
        try:
            db.execute(sql.clone_from(self._login))
        finally:
            with suppress(ServerError):  # a restart forgets it
                db.execute(sql.set_donors(donors))


class _Watch:
    """What becomes of the clone that began after `before`, as the server tells it."""

    def __init__(self, doors: Doors, before: str, asking: _Asking | None) -> None:
        self._doors = doors
        self._before = before
        self._asking = asking
        self._began = self._seen = self._worked = doors.clock.monotonic()
        self._copying = False

    def wait(self) -> str:
        """Until it has ended and the server is back; the position."""
        while True:
            self._pause()
            asked = self._asking
            over = asked is None or asked.ended  # before the look: what is seen then is newer than the answer
            try:
                with self._doors.connect(self._doors.target, _LOOK) as db:
                    position = self._look(db, asked.refused if asked is not None and over else None, over=over)
                    if position is not None:
                        return position
            except CloneFailed:
                raise
            except ServerError as error:
                self._absent(error)

    def _pause(self) -> None:
        """No session of ours may be open when the server ends, which it does a moment after its answer."""
        if self._asking is not None and not self._asking.ended:
            self._asking.wait(_POLL)
        elif self._copying:
            self._doors.clock.sleep(_POLL)
        shortest, longest = _SOON
        waited = self._worked - self._seen  # 0 or less where the server has let us in
        self._doors.clock.sleep(min(max(waited / 20, shortest), longest) if waited > 0 else _ENDING)

    def _look(self, db: Database, refused: ServerError | None, *, over: bool) -> str | None:
        self._seen = self._doors.clock.monotonic()
        status = clone_status(db)
        self._copying = status.state is CloneState.RUNNING
        ours = status.begun not in ("", self._before)
        if ours and status.state is CloneState.COMPLETED:
            return status.position
        if refused is not None:
            raise CloneFailed(refused.text, server=refused.server, errno=refused.errno)
        if over and not ours:
            raise CloneFailed("the clone did not begin", server=db.server)
        if status.state is not CloneState.ABANDONED:
            self._worked = self._seen
        if ours and (status.state is CloneState.FAILED or self._seen - self._worked > _ABANDONED_SECONDS):
            raise CloneFailed(status.error or "the clone was cut off", server=db.server, errno=status.errno)
        self._tell(db)
        return None

    def _absent(self, error: ServerError) -> None:
        self._copying = False
        self._worked = self._doors.clock.monotonic()
        waited = self._worked - self._seen
        if waited > _BACK_SECONDS:
            raise Unreachable(
                f"has not come back for {waited:.0f} s after it was cloned ({error.text})",
                server=str(self._doors.target),
                hint="start the server, where nothing does it by itself, and run this again with --resume",
            ) from None
        self._doors.progress(Progress(phase=Phase.RESTART, seconds=waited))

    def _tell(self, db: Database) -> None:
        seconds = self._doors.clock.monotonic() - self._began
        for row in db.texts(sql.PROGRESS):
            part, done, total = (row["stage"] or "").lower(), int(row["done"] or 0), int(row["estimate"] or 0)
            self._doors.progress(Progress(phase=Phase.CLONE, text=part, done=done, total=total, seconds=seconds))

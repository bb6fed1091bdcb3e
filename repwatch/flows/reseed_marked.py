"""The replica that a reseed works on: the session on it, its marker, and what the journal tells of both.

An address may lead to another server after a switch-over, and a run whose connection was lost has lost its turn: another one
may have gone on, or ended. So whoever gets a further session on the replica, to write or to decide by, gets it from here.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from repwatch.errors import Refused
from repwatch.flows.reseed_begin import first_marker
from repwatch.flows.reseed_marker import read_marker, write_marker
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.flows.turn import take_turn
from repwatch.model.endpoint import Endpoint
from repwatch.model.gtid import of_origins
from repwatch.ports.database import Database, Timeouts
from repwatch.reseed.choice import choose
from repwatch.reseed.facts import Facts
from repwatch.reseed.stages import Marker, Stage
from repwatch.sql import clone, replication
from repwatch.sql import reseed as sql
from repwatch.sql.rowcopy import loader_setup

PATIENT = Timeouts(connect=10.0, read=3600.0)
"""Dropping a large schema, stopping an applier in a large transaction."""


class NotOurs(Refused):
    """Another server answers at the replica's address, or another run has worked on it since. Nothing was written there."""


def check_identity(db: Database, key: str) -> None:
    """See that it is still that server, by `ServerFacts.key`; "" of a marker that an earlier version wrote. Raises NotOurs."""
    (row,) = db.texts(sql.identity(db.version))
    now = row["server_uuid"] or row["server_id"]
    if key and now != key:
        raise NotOurs(f"another server answers at {db.server} now: its identity is {now}, and was {key}")


def in_turn(request: ReseedRequest, tools: Tools, sessions: ExitStack) -> Database:
    """A session on the target that is alone in changing it. Raises Refused."""
    target = sessions.enter_context(tools.connect(request.replica.server.writer, PATIENT))
    if not take_turn(target, tools.clock):
        raise Refused(f"another repair or reseed of {target.server} runs", hint="wait for it to end")
    return target


class Marked:
    """`marker` is what the replica says of itself; it moves with each stage. `db` is another session after a restart."""

    def __init__(self, request: ReseedRequest, tools: Tools, sessions: ExitStack, db: Database, facts: Facts) -> None:
        """`db` has the turn, and `facts` were read meanwhile. Raises NotOurs, ServerError."""
        self.db = db
        self.marker = first_marker(request, tools, facts, choose(facts))
        self.done: list[str] = []
        self._request = request
        self._tools = tools
        self._sessions = sessions
        self._key = facts.target.server.key
        self._said = read_marker(db)
        self.check(db)
        self._set_up()

    def _set_up(self) -> None:
        for statement in loader_setup(self.db.version):
            self.db.execute(statement)

    def check(self, db: Database, *said: Marker | None) -> None:
        """See that a session is on the replica, and that it says what it said last, or one of `said`. Raises NotOurs."""
        check_identity(db, self._key)
        places = [marker and marker.place for marker in said or (self._said,)]
        now = read_marker(db)
        if (now and now.place) not in places:
            where = f"says {now.stage.value!r} of run {now.run}" if now else "has no mark any more"
            raise NotOurs(f"another reseed has worked on {db.server} meanwhile: it {where}")

    def connect(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        """As `Connect`; a session on the replica is checked. Raises NotOurs too."""
        db = self._tools.connect(endpoint, timeouts)
        if endpoint == self._request.replica.server.writer:
            try:
                self.check(db)
            except BaseException:
                db.close()
                raise
        return db

    def reopen(self, *said: Marker | None) -> None:
        """The server has, or may have, restarted, and says one of `said`. If not, the old session has the lock.

        Raises Refused, ServerError.
        """
        self.db.close()
        self.db = in_turn(self._request, self._tools, self._sessions)
        self.check(self.db, *said)
        self._set_up()

    def record(self, event: str, **more: str) -> None:
        """Tell the journal."""
        at = self._tools.clock.now().isoformat()
        self._tools.journal.append({"at": at, "run": self.marker.run, "event": event, **more})

    def step(self, name: str, step: Callable[[], None]) -> None:
        """Do it, and tell before and after."""
        self.record("begin", step=name)
        step()
        self.record("done", step=name)
        self.done.append(name)

    def advance(self, stage: Stage) -> None:
        """The marker says so, if it did not say more."""
        if stage.rank > self.marker.stage.rank:
            self.marker = replace(self.marker, stage=stage)
            self.write()

    def write(self) -> None:
        """Make the replica say what `marker` says."""
        write_marker(self.db, self.marker)
        self._said = self.marker

    def open_for_marker(self) -> None:
        """Leave read-only for all but us; events of a clone are enabled, and would write as soon as anybody may."""
        if self.db.scalar(clone.SCHEDULER) == "ON":
            self.db.execute(clone.STOP_SCHEDULER)
        self.db.execute(sql.set_read_only(on=True))
        self.db.execute(sql.set_super_read_only(on=False))

    def executed(self, within: str = "") -> str:
        """The replica's GTID state. With a position: its part of the origins in that, and of the replica's own writes (MySQL)."""
        executed = self.db.scalar(replication.executed(self.db.version)) or ""
        if not within:
            return executed
        own = () if self.db.version.is_mariadb else (f"{self._key}:1",)
        return of_origins(self.db.version.flavour, executed, ",".join((within, *own)))

"""The replica that a reseed works on: the session on it, its marker, and what the journal tells of both."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from repwatch.errors import Refused
from repwatch.flows.reseed_marker import write_marker
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.flows.turn import take_turn
from repwatch.ports.database import Database, Timeouts
from repwatch.reseed.stages import Marker, Stage
from repwatch.sql import clone, replication
from repwatch.sql import reseed as sql
from repwatch.sql.rowcopy import loader_setup

PATIENT = Timeouts(connect=10.0, read=3600.0)
"""Dropping a large schema, stopping an applier in a large transaction."""


def in_turn(request: ReseedRequest, tools: Tools, sessions: ExitStack) -> Database:
    """A session on the target that is alone in changing it. Raises Refused."""
    target = sessions.enter_context(tools.connect(request.replica.server.writer, PATIENT))
    if not take_turn(target, tools.clock):
        raise Refused(f"another repair or reseed of {target.server} runs", hint="wait for it to end")
    return target


class Marked:
    """`marker` is what the replica says of itself; it moves with each stage. `db` is another session after a restart."""

    def __init__(self, request: ReseedRequest, tools: Tools, sessions: ExitStack, db: Database, marker: Marker) -> None:
        self.db = db
        self.marker = marker
        self.done: list[str] = []
        self._request = request
        self._tools = tools
        self._sessions = sessions
        self._set_up()

    def _set_up(self) -> None:
        for statement in loader_setup(self.db.version):
            self.db.execute(statement)

    def reopen(self) -> None:
        """The server has, or may have, restarted. If not, the old session has the lock. Raises Refused, ServerError."""
        self.db.close()
        self.db = in_turn(self._request, self._tools, self._sessions)
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

    def open_for_marker(self) -> None:
        """Leave read-only for all but us; events of a clone are enabled, and would write as soon as anybody may."""
        if self.db.scalar(clone.SCHEDULER) == "ON":
            self.db.execute(clone.STOP_SCHEDULER)
        self.db.execute(sql.set_read_only(on=True))
        self.db.execute(sql.set_super_read_only(on=False))

    def executed(self) -> str:
        """The replica's GTID state."""
        return self.db.scalar(replication.executed(self.db.version)) or ""

"""How far a reseed has come, and from where an interrupted one goes on.

What counts is what the replica itself says: its marker, its GTID state and its channel. The journal tells people the story.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from repwatch.model.gtid import reached
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.reseed.method import Method
from repwatch.sql.definitions import Definition, Kind

SETTINGS: Final = "settings"  # the journal's event before the first setting is changed, with `marker`


class Stage(StrEnum):
    """What has been done, in order. The names stand in the marker and in the journal."""

    MARKED = "marked"  # the marker is there, with all that is needed to put settings back; the server is read-only
    QUIET = "quiet"  # replication is held
    LOADING = "loading"  # the old data is being replaced: from here on there is no way back but forward
    LOADED = "loaded"  # the copy is complete, as of `position`
    POSITIONED = "positioned"  # the GTID state says so
    ATTACHED = "attached"  # the channel reads from the source by GTID, still held
    RELEASED = "released"  # the applier runs
    CAUGHT_UP = "caught-up"

    @property
    def rank(self) -> int:
        """0 for the first."""
        return list(Stage).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What the replica keeps while it is half loaded. `position` is "" until the data is loaded."""

    run: str
    stage: Stage
    source: str  # address, for people
    source_key: str  # identity: server_uuid, or server_id on MariaDB
    channel: str
    before: str  # what the replica had executed when it was first held
    position: str
    delay: int  # of the channel before it was held, in seconds
    receiver: bool  # ran before
    applier: bool
    read_only: bool
    super_read_only: bool
    trust_creators: bool  # log_bin_trust_function_creators
    local_infile: bool  # whether the server took files of clients
    method: Method
    tables: tuple[TableName, ...]  # of Method.TABLE
    scheduler: str = ""  # Method.CLONE: event_scheduler before; "" elsewhere
    persisted: str = ""  # Method.CLONE: super_read_only in mysqld-auto.cnf before; "": it was not there
    # Rows of this very data have been dropped or rewritten. A run that begins anew does not undo that: no way back.
    replaced: bool = False
    copied: bool = False  # Method.PHYSICAL: this very data is a copy, and what it took the place of lies beside it
    donor: str = ""  # address of the replica that is copied from in the place of the source; "": it is the source
    target_key: str = ""  # identity of the replica itself, as `source_key`
    torn: bool = False  # rows of a named table may be missing that were there, so that replication would stop at them
    triggers: tuple[Definition, ...] = ()  # Method.TABLE: those that the named tables had before
    exported: str | None = None  # the replica's own transactions that were saved to a file; None: that was not asked for

    @property
    def reversible(self) -> bool:
        """True while the replica can go on as before.

        The data is there, in its place or, with copied files, beside it; or single tables are whole, at the position at which
        the replica is held, with some of their wrong rows put right.
        """
        if self.method is Method.TABLE:
            return not self.torn
        return not self.replaced and (self.stage.rank < Stage.LOADING.rank or self.method is Method.PHYSICAL)

    @property
    def loaded(self) -> bool:
        """True once the copy is complete, so that what it was copied from is not needed unless it turns out to be void."""
        return self.stage.rank >= Stage.LOADED.rank

    @property
    def place(self) -> tuple[object, ...]:
        """How far which run is: what another run would have changed."""
        return (self.run, self.method, self.tables, self.stage, self.position)

    def taken_over(self, method: Method, tables: tuple[TableName, ...]) -> Self:
        """As another method goes on with it: from the beginning, whatever was done. Files that it gives up are not put back."""
        if (self.method, self.tables) == (method, tables):
            return self
        replaced = self.replaced or self.copied
        return replace(self, stage=Stage.MARKED, method=method, tables=tables, replaced=replaced, torn=self.torn or replaced)

    def entries(self) -> dict[str, str]:
        """As text, for the marker table."""
        return {
            "run": self.run,
            "stage": self.stage.value,
            "source": self.source,
            "source_key": self.source_key,
            "channel": self.channel,
            "before": self.before,
            "position": self.position,
            "delay": str(self.delay),
            "receiver": str(int(self.receiver)),
            "applier": str(int(self.applier)),
            "read_only": str(int(self.read_only)),
            "super_read_only": str(int(self.super_read_only)),
            "trust_creators": str(int(self.trust_creators)),
            "local_infile": str(int(self.local_infile)),
            "method": self.method.value,
            "tables": json.dumps([[name.schema, name.table] for name in self.tables]),
            "scheduler": self.scheduler,
            "persisted": self.persisted,
            "replaced": str(int(self.replaced)),
            "copied": str(int(self.copied)),
            "donor": self.donor,
            "target_key": self.target_key,
            "torn": str(int(self.torn)),
            "triggers": json.dumps([asdict(item) for item in self.triggers]),
            **({} if self.exported is None else {"exported": self.exported}),
        }

    def text(self) -> str:
        """In one string, for a journal."""
        return json.dumps(self.entries())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `text()` back. As `from_entries`."""
        return cls.from_entries(json.loads(text))

    @classmethod
    def from_entries(cls, entries: Mapping[str, str]) -> Self:
        """Read `entries()` back. Raises KeyError or ValueError for what is no marker of ours."""
        return cls(
            run=entries["run"],
            stage=Stage(entries["stage"]),
            source=entries["source"],
            source_key=entries["source_key"],
            channel=entries["channel"],
            before=entries["before"],
            position=entries["position"],
            delay=int(entries["delay"]),
            receiver=entries["receiver"] == "1",
            applier=entries["applier"] == "1",
            read_only=entries["read_only"] == "1",
            super_read_only=entries["super_read_only"] == "1",
            trust_creators=entries["trust_creators"] == "1",
            local_infile=entries.get("local_infile", "1") == "1",  # a marker of before it was changed: leave it as it is
            method=Method(entries["method"]),
            tables=tuple(TableName(schema, table) for schema, table in json.loads(entries["tables"])),
            scheduler=entries.get("scheduler", ""),
            persisted=entries.get("persisted", ""),
            replaced=entries["replaced"] == "1",
            copied=entries.get("copied") == "1",
            donor=entries.get("donor", ""),
            target_key=entries.get("target_key", ""),
            torn=entries.get("torn", entries["replaced"]) == "1",
            triggers=tuple(
                Definition(**item | {"kind": Kind(item["kind"])}) for item in json.loads(entries.get("triggers", "[]"))
            ),
            exported=entries.get("exported"),
        )


def marker_of_settings(entries: Sequence[Mapping[str, str]]) -> Marker | None:
    """What a run would have marked the replica with that was killed before it did: its settings may be changed already.

    None where the journal goes on. Raises KeyError or ValueError for what is no journal of ours.
    """
    last = entries[-1] if entries else {}
    return Marker.from_text(last["marker"]) if last.get("event") == SETTINGS and "marker" in last else None


def loading_began(entries: Sequence[Mapping[str, str]], run: str) -> datetime | None:
    """When the run began what has become its copy, which is not older than that. None where the journal does not tell."""
    for entry in reversed(entries):
        if entry["event"] == "begin" and (entry["run"], entry["step"]) == (run, Stage.LOADED.value):
            return datetime.fromisoformat(entry["at"])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The replica as it is now. `held` is None where the channel does not exist.

    `cloned` is the position of a clone that has ended since the marker said LOADING, "" if there is none.
    """

    executed: str
    held: bool | None
    cloned: str = ""


def goes_on_from(marker: Marker, present: Present, flavour: Flavour) -> Stage:
    """The stage that holds now: what comes after it is done (again).

    Anything that does not fit the marker means that the replica applied or wrote something meanwhile; then the copied rows
    prove nothing, and all starts again from a new snapshot. A clone is a whole server, whose GTID state came along with its
    data: it may apply what it likes.
    """
    if marker.method is Method.CLONE:
        return _of_clone(marker, present, flavour)
    at_position = _same(flavour, present.executed, marker.position)
    if marker.stage.rank < Stage.LOADED.rank:
        return Stage.MARKED
    if marker.stage is Stage.LOADED:
        # RESET may have emptied the history without an answer having reached us.
        untouched = at_position or not present.executed or _same(flavour, present.executed, marker.before)
        return Stage.LOADED if present.held is not False and untouched else Stage.MARKED
    if marker.stage is Stage.POSITIONED:
        return Stage.POSITIONED if at_position else Stage.MARKED
    if not reached(flavour, present.executed, marker.position):
        return Stage.MARKED
    return marker.stage


def _of_clone(marker: Marker, present: Present, flavour: Flavour) -> Stage:
    if marker.stage.rank < Stage.LOADED.rank:
        return Stage.LOADED if present.cloned else Stage.MARKED
    return marker.stage if reached(flavour, present.executed, marker.position) else Stage.MARKED


def _same(flavour: Flavour, left: str, right: str) -> bool:
    return reached(flavour, left, right) and reached(flavour, right, left)

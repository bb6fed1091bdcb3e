"""How far a repair has come, in its journal, and what an interrupted one left behind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from repwatch.drift.repair_scope import Scope
from repwatch.errors import StoreError


class Stage(StrEnum):
    """In order; each is written when it is reached, BEGUN and CHANGING before what they announce."""

    BEGUN = "begun"  # from here on the applier may be held
    HELD = "held"
    AT_POSITION = "at-position"  # the replica has run up to the snapshot
    UNDO_WRITTEN = "undo-written"
    CHANGING = "changing"  # from here on the transaction may run
    COMMITTING = "committing"
    COMMITTED = "committed"
    RELEASED = "released"
    ENDED = "ended"


class Mode(StrEnum):
    """What a run does."""

    REPAIR = "repair"
    UNDO = "undo"


class Phase(StrEnum):
    """What goes on now, for people."""

    LOOK = "look at both servers"
    CHECK = "check for drift"
    HOLD = "hold replication"
    SNAPSHOT = "take a snapshot"
    RUN = "let the replica run up to it"
    ROWS = "change the rows"
    CATCH_UP = "let replication catch up"
    VERIFY = "check the tables again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that did not end. `held` is the channel as it was, to be made again; empty for an undo, which holds nothing."""

    run: str
    mode: Mode
    scope: Scope
    held: Mapping[str, str]
    super_read_only: bool
    stage: Stage
    undo_file: str

    @property
    def committed(self) -> bool:
        """True if the rows are known to be changed."""
        return self.stage in (Stage.COMMITTED, Stage.RELEASED)


def unfinished(entries: Iterable[Mapping[str, str]]) -> Unfinished | None:
    """The last run of a journal, if it did not end. Raises StoreError for what is no journal of a repair."""
    found: Unfinished | None = None
    for entry in entries:
        try:
            found = _step(found, entry)
        except (KeyError, ValueError, TypeError):
            raise StoreError(
                "the journal of the last repair is not understood",
                hint="look at the replica's delay and applier by hand, then move the journal away",
            ) from None
    return found


def _step(found: Unfinished | None, entry: Mapping[str, str]) -> Unfinished | None:
    stage = Stage(entry["stage"])
    if stage is Stage.ENDED:
        return None
    if stage is Stage.BEGUN and (found is None or found.run != entry["run"]):
        return Unfinished(
            run=entry["run"],
            mode=Mode(entry["mode"]),
            scope=Scope.from_json(entry["scope"]),
            held={name: entry[name] for name in ("delay", "receiver", "applier") if name in entry},
            super_read_only=entry["super_read_only"] == "1",
            stage=stage,
            undo_file="",
        )
    if found is None or entry["run"] != found.run:
        return found
    return Unfinished(
        run=found.run,
        mode=found.mode,
        scope=found.scope,
        held=found.held,
        super_read_only=found.super_read_only,
        stage=stage,
        undo_file=entry.get("undo_file", found.undo_file),
    )

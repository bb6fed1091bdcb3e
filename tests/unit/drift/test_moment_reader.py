"""A replica's reading beside that of the source, where one of them has lost the moment that both should show."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from repwatch.drift.verdict import Events
from repwatch.flows.drift_moment_reader import MomentReader
from repwatch.flows.drift_sight import Sight, Unit
from repwatch.flows.drift_world import CheckWorld, OnePosition
from repwatch.model.server import ServerVersion
from repwatch.ports.database import Database
from repwatch.sql.signature import TableReading


def reader(shown: str | None, events: Events = Events.STATEMENTS) -> MomentReader:
    """Of a table whose replica shows that position, None for the present."""
    version = ServerVersion.parse("10.11.14-MariaDB")
    source: Any = SimpleNamespace(events=events, version=version, applies=False, tells_unnamed=False)
    stand: Any = SimpleNamespace(decides=False, moves=True, shown_by=lambda _: shown)
    reading: Any = SimpleNamespace(counted=False, bounds=("id",), table=SimpleNamespace(engine="InnoDB"))
    world = cast("CheckWorld", SimpleNamespace(source=source, static=False, replicas=(SimpleNamespace(applied=None),)))
    return MomentReader(world, cast("OnePosition", stand), cast("TableReading", reading), {0: reading})


@pytest.mark.parametrize(("shown", "stood"), [("0-1-7", False), (None, True)], ids=["replica-stands", "source-stood"])
def test_a_moment_beside_the_present_is_void(shown: str | None, stood: bool) -> None:
    """The server is not even asked: there is none here."""
    first = Sight(started=1, ended=2, stood=stood, exact="0-1-7" if stood else None)
    sight = reader(shown).on_replica(cast("Database", None), Unit(), 0, first)
    assert (sight.void, sight.stood, sight.exact) == (True, False, None)


def test_what_is_read_outside_of_moments_is_proved_by_six_rounds() -> None:
    moment = reader(None)
    assert (moment.pinned, moment.events) == (True, Events.UNDOING)
    assert moment.leave_snapshots()
    assert (moment.pinned, moment.events) == (False, Events.UNDOING)

"""What an interrupted reseed left: its marker, and a clone that may still run and is waited for before anything else."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from repwatch.errors import ServerError
from repwatch.flows.reseed_clone import Doors, wait_for_clone
from repwatch.flows.reseed_marker import read_marker
from repwatch.flows.reseed_outlook import Outlook
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.ports.database import Connect, Timeouts
from repwatch.reseed.stages import Marker
from repwatch.sql import reseed as sql

_LOOK: Final = Timeouts(connect=5.0, read=5.0)


def wait_for_left_clone(request: ReseedRequest, tools: Tools) -> None:
    """A clone goes on without the one who asked for it; wait until it has ended. Raises ServerError."""
    if request.left is not None:
        _, before = request.left
        tell = Outlook(tools.connect, request.source.endpoint, tools.clock, tools.progress, _keeps(request, tools)).tell
        wait_for_clone(doors_of(request, replace(tools, progress=tell)), before)


def _keeps(request: ReseedRequest, tools: Tools) -> int:
    """For how long the source keeps its binary logs, to be told beside the wait; 0 where it cannot be asked just now."""
    with suppress(ServerError), tools.connect(request.source.writer, _LOOK) as source:
        (row,) = source.texts(sql.identity(source.version))
        return int(row["expires"] or 0)
    return 0


def left_marker(request: ReseedRequest, connect: Connect) -> Marker | None:
    """What an interrupted reseed says of itself, on the replica or, where a clone took that away, in the journal.

    Raises Refused where it is not understood, ServerError.
    """
    with connect(request.replica.server.writer) as db:
        return read_marker(db) or (request.left[0] if request.left else None)


def doors_of(request: ReseedRequest, tools: Tools) -> Doors:
    """What a clone needs of them."""
    return Doors(target=request.replica.server.writer, connect=tools.connect, clock=tools.clock, progress=tools.progress)

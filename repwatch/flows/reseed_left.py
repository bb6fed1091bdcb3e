"""What an interrupted reseed left: its marker, and a clone that may still run and is waited for before anything else."""

from repwatch.flows.reseed_clone import Doors, wait_for_clone
from repwatch.flows.reseed_marker import read_marker
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.ports.database import Connect
from repwatch.reseed.stages import Marker


def wait_for_left_clone(request: ReseedRequest, tools: Tools) -> None:
    """A clone goes on without the one who asked for it; wait until it has ended. Raises ServerError."""
    if request.left is not None:
        _, before = request.left
        wait_for_clone(doors_of(request, tools), before)


def left_marker(request: ReseedRequest, connect: Connect) -> Marker | None:
    """What an interrupted reseed says of itself, on the replica or, where a clone took that away, in the journal.

    Raises Refused where it is not understood, ServerError.
    """
    with connect(request.replica.server.writer) as db:
        return read_marker(db) or (request.left[0] if request.left else None)


def doors_of(request: ReseedRequest, tools: Tools) -> Doors:
    """What a clone needs of them."""
    return Doors(target=request.replica.server.writer, connect=tools.connect, clock=tools.clock, progress=tools.progress)

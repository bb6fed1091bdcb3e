"""A clone that an interrupted reseed left running: it is waited for before anything else."""

from repwatch.flows.reseed_clone import Doors, wait_for_clone
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools


def wait_for_left_clone(request: ReseedRequest, tools: Tools) -> None:
    """A clone goes on without the one who asked for it; wait until it has ended. Raises ServerError."""
    if request.left is not None:
        _, before = request.left
        wait_for_clone(doors_of(request, tools), before)


def doors_of(request: ReseedRequest, tools: Tools) -> Doors:
    """What a clone needs of them."""
    return Doors(target=request.replica.server.writer, connect=tools.connect, clock=tools.clock, progress=tools.progress)

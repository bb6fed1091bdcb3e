"""What a person does after a reseed that failed."""

from repwatch.errors import OutcomeUnknown, RepwatchError, StatementRefused, Unreachable
from repwatch.health.rules_disk import NO_ROOM

_RESUME = "run it again with --resume"


def way_on(error: RepwatchError) -> str:
    """The next thing to do. A MariaDB server whose disk is full may end instead of refusing the rows, as seen on 10.11."""
    match error:
        case StatementRefused(errno=errno, server=server) if errno in NO_ROOM:
            return f"make room on the disk of {server}, then {_RESUME}"
        case OutcomeUnknown(server=server) | Unreachable(server=server):
            return f"see that {server} runs, and in its error log why it ended, then {_RESUME}"
        case _:
            return _RESUME

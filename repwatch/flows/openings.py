"""Sessions that are opened while something else is done, or several at once: with TLS each takes as long as many statements."""

from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial

from repwatch.flows.beside import beside
from repwatch.model.endpoint import Endpoint
from repwatch.ports.database import Connect, Database, Timeouts


def open_beside(connect: Connect, endpoint: Endpoint, timeouts: Timeouts | None, opened: ExitStack) -> Future[Database]:
    """Begin to open one; `opened` closes it, also where it comes after `opened` has ended."""
    opening = beside(partial(connect, endpoint, timeouts), f"connect {endpoint.address}")
    opened.callback(opening.add_done_callback, _close)
    return opening


def open_all(
    connect: Connect, endpoint: Endpoint, timeouts: Timeouts | None, count: int, opened: ExitStack
) -> tuple[Database, ...]:
    """So many, which `opened` closes. Raises what `connect` raises."""
    openings = [open_beside(connect, endpoint, timeouts, opened) for _ in range(count)]
    return tuple(opening.result() for opening in openings)


def _close(opening: Future[Database]) -> None:
    if opening.exception() is None:
        opening.result().close()

"""Something that waits for a server or a machine, done while something else is."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Found = TypeVar("Found")


def beside(work: Callable[[], Found], name: str) -> Future[Found]:
    """Begin it; what it returns or raises is had from the result.

    A daemon does it, because Ctrl-C is not to wait for one that does not answer.
    """
    future: Future[Found] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return future

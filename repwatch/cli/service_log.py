"""The service's log: one line for each thing that happened, on stderr, in UTC."""

import logging
import time
from typing import TextIO

from repwatch.adapters.secrets import redact


class _OneLine(logging.Formatter):
    """One line for one event, whatever a server's text contains, and without secrets."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the base class's name
        return time.strftime(datefmt or "%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record).replace("\n", "\\n"))


def set_up_log(stream: TextIO) -> None:
    """Send what repwatch logs to `stream`; libraries speak through repwatch's own words."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_OneLine("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    log = logging.getLogger("repwatch")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    # It warns of each skipped run of a job that still runs; the watchdog says so where it matters.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)

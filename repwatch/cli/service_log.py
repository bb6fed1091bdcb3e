"""The service's log: one line for each thing that happened, on stderr, in UTC."""

import logging
import time
from typing import TextIO


def set_up_log(stream: TextIO) -> None:
    """Send what repwatch logs to `stream`; libraries speak through repwatch's own words."""
    handler = logging.StreamHandler(stream)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("repwatch")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    # It warns of each skipped run of a job that still runs; the watchdog says so where it matters.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)

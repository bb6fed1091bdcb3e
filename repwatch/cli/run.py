"""`repwatch run`: the service."""

import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.processor import stay_on_one_processor
from repwatch.app.targets import load_settings
from repwatch.app.wiring import build_service
from repwatch.cli.options import config_option
from repwatch.cli.service_log import set_up_log

log = logging.getLogger("repwatch.service")


@click.command(epilog="Example: repwatch run --config /etc/repwatch/repwatch.toml")
@config_option
def run(config: Path | None) -> int:
    """Watch the configured clusters, tell the receivers what happens, and serve the status page.

    Ends with status 0 on SIGTERM or Ctrl-C; 2 if it cannot start. The log goes to stderr, one line for each thing that
    happened. One service at a time runs on a state store. It stays on the processor on which it begins, since one is all that
    it can use; `taskset` or systemd's `CPUAffinity=` choose another.
    """
    set_up_log(sys.stderr)
    stay_on_one_processor()
    ending = _ending_on_signals()
    settings = load_settings(config, None, (), None)
    service = build_service(settings, SystemClock())
    _rest_collector()
    service.start()
    clusters = ", ".join(cluster.name for cluster in settings.clusters)
    log.info("service.started clusters=%s listening on %s", clusters, service.web.url if service.web else "nothing")
    ending.wait()
    log.info("service.stopping")
    quiet = service.stop()
    log.info("service.stopped")
    if not quiet:
        # A thread that waits for a server or a receiver would hold the interpreter; what it did not record is done again.
        sys.stderr.flush()
        os._exit(0)
    return 0


def _rest_collector() -> None:
    """What stands at the start lives as long as the service: nobody need look through it again."""
    gc.collect()
    gc.freeze()


def _ending_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets. A second signal ends the process at once."""
    ending = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        if ending.is_set():
            os._exit(128 + number)
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return ending

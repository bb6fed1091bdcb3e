"""Replication by file and position."""

from collections.abc import Iterator
from contextlib import contextmanager

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox

MODES = ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF")  # gtid_mode moves step by step


@contextmanager
def pair_by_place(flavour: Flavour) -> Iterator[Sandbox]:
    """A source and a replica by file and position; on MySQL neither has GTIDs at all."""
    with Sandbox.start(flavour, replicas=1) as box:
        source, replica = box.source, box.replicas[0]
        if flavour is Flavour.MARIADB:
            replica.sql("STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID = no", "START SLAVE")
        else:
            box.wait_caught_up(60)
            replica.sql("STOP REPLICA", "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 0")
            for server in (source, replica):
                server.sql(*(f"SET GLOBAL gtid_mode = {mode}" for mode in MODES))
            replica.use("--gtid-mode=OFF")
            replica.sql("START REPLICA")
        box.wait_connected()
        yield box

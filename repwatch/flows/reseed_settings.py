"""What a reseed changes on a replica for its time, and how it is put back: settings, the hold, the marker."""

from contextlib import suppress

from repwatch.errors import PrivilegeMissing
from repwatch.flows.hold import Held, channel_states, release
from repwatch.flows.reseed_marker import drop_marker
from repwatch.flows.reseed_objects import put_triggers_back
from repwatch.ports.database import Database
from repwatch.reseed.stages import Marker
from repwatch.sql import clone, rowload
from repwatch.sql import reseed as sql


def put_back(target: Database, marker: Marker) -> None:
    """Let a replica go that can go on as before (`Marker.reversible`). Safe to repeat."""
    if not target.version.is_mariadb:
        target.execute(sql.set_super_read_only(on=False))  # persisted for a clone, it is on since a restart, and refuses the drop
    put_triggers_back(target, marker.triggers)
    if is_held(target, marker.channel) is not None:
        # Killed between the stop and the hold, the delay is what it was, and the threads stand still all the same.
        release(target, marker.channel, Held(delay=marker.delay, receiver=marker.receiver, applier=marker.applier))
    restore_settings(target, marker)
    drop_marker(target)
    restore_super_read_only(target, marker)


def put_settings_back(target: Database, marker: Marker) -> None:
    """Of a run that was killed before it marked the replica, and so before it held it. Safe to repeat."""
    restore_settings(target, marker)
    restore_super_read_only(target, marker)


def restore_settings(target: Database, marker: Marker) -> None:
    """All but `super_read_only`."""
    target.execute(sql.set_read_only(on=marker.read_only))
    restore_load_settings(target, marker)
    if marker.scheduler in ("ON", "OFF"):
        target.execute(clone.set_scheduler(marker.scheduler))
    if marker.scheduler and marker.persisted != "ON":
        target.execute(clone.persist_read_only(marker.persisted))


def restore_load_settings(target: Database, marker: Marker) -> None:
    """Those that are another only while rows are loaded."""
    target.execute(sql.set_trust_creators(on=marker.trust_creators))
    if not marker.local_infile and target.scalar(rowload.LOCAL_INFILE) == "1":
        with suppress(PrivilegeMissing):  # who may not, has not turned it on: a restart has, by the server's configuration
            target.execute(rowload.set_local_infile(on=False))


def restore_super_read_only(target: Database, marker: Marker) -> None:
    """Last of all: afterwards the marker cannot be dropped any more."""
    if marker.super_read_only:
        target.execute(sql.set_super_read_only(on=True))


def is_held(target: Database, channel: str) -> bool | None:
    """Whether the channel is held; None if there is none."""
    return next((state.held for state in channel_states(target) if state.channel == channel), None)

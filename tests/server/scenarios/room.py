"""Disks that run out of room: a small one under a replica's relay logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.mysql import look
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox.binaries import cache_folder
from tests.server.disks import mount, unmount
from tests.server.scenarios.stage import Scenario, Stage, places

RELAY_LOGS = "relay"
DISK = 8_000_000
LEFT = DISK // 20
PLUGIN = "disks.so"
PLUGINS = cache_folder().with_name("mariadb-plugins")
"""Where `scripts/test` puts the plugin, if the server does not have it."""


@contextmanager
def on_disk(stage: Stage, size: str, *options: str) -> Iterator[None]:
    """A source and a replica of their own; the relay logs lie on a disk of that size, and the replica has these options."""
    shared, place = (stage.box, stage.schema), stage.folder / RELAY_LOGS
    place.mkdir()
    mount(place, size)
    try:
        with Sandbox.start(stage.flavour, replicas=1) as own:
            stage.use(own)
            stage.control("STOP")
            stage.control("RESET", "ALL")
            stage.replica.kill()
            stage.replica.use(f"--relay-log={place}/relay", *options)
            stage.replica.start()
            stage.attach(stage.replica, stage.source.address)
            own.wait_connected(90)
            yield
    finally:
        unmount(place)
        stage.box, stage.schema = shared


def with_plugin(server: SandboxServer) -> tuple[str, ...]:
    """The options with which a server tells of its disks."""
    own = Path(server.sql("SELECT @@plugin_dir")[0][0] or "")
    folder = own if (own / PLUGIN).is_file() else PLUGINS
    assert (folder / PLUGIN).is_file(), "scripts/test fetches it"
    return f"--plugin-dir={folder}", f"--plugin-load-add={PLUGIN}"


@contextmanager
def on_disk_that_is_told_of(stage: Stage) -> Iterator[None]:
    """Each look asks how full it is, and repwatch's account may know."""
    with pytest.MonkeyPatch.context() as settings, on_disk(stage, str(DISK), *with_plugin(stage.replica)):
        settings.setattr(look, "DISKS_EVERY", timedelta(0))
        stage.on_replica(f"GRANT FILE ON *.* TO '{Account.WATCH}'@'%'")
        yield


@contextmanager
def disk_nearly_full(stage: Stage) -> Iterator[None]:
    """Something else than the server fills it, and leaves a twentieth."""
    filler = stage.folder / RELAY_LOGS / "filler"
    taken = sum(each.stat().st_size for each in filler.parent.iterdir())
    filler.write_bytes(bytes(DISK - LEFT - taken))
    yield
    filler.unlink()


ROOM = (
    Scenario(
        name="disk-nearly-full",
        what="the disk of the relay logs has little room left",
        breaks=disk_nearly_full,
        prepare=on_disk_that_is_told_of,
        told=places(("replica1", "disk-nearly-full")),
        on=frozenset({Flavour.MARIADB}),  # MySQL tells nothing of its disks
        root=True,
    ),
)

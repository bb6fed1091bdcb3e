"""What `doctor` says of machines and plugins that a reseed would use."""

from dataclasses import replace

import pytest

from repwatch.health.checkup import Failed, Level, Login, Look, Topic
from repwatch.health.checkup_copies import cloning, machine
from repwatch.reseed.host_scripts import Folders
from repwatch.reseed.hosts import HostFacts
from tests.unit.health.looks import MARIADB, look

READY = HostFacts(
    folders=Folders("/var/lib/mysql"),
    left=False,
    own_mount=False,
    writable=True,
    used=-1,
    free=5 << 30,
    backup=(10, 11, 14),
    stream=True,
    server=(10, 11, 14),
)


@pytest.mark.parametrize(
    ("found", "receives", "problems"),
    [
        (None, True, None),
        (READY, True, 0),
        (READY, False, 0),
        (replace(READY, free=-1), True, 0),
        (replace(READY, backup=()), False, 1),
        (replace(READY, stream=False, server=(), unknown=("systemctl",), own_mount=True, writable=False), False, 0),
        (replace(READY, stream=False), True, 1),
        (replace(READY, server=()), True, 1),
        (replace(READY, unknown=("systemctl",)), True, 1),
        (replace(READY, own_mount=True), True, 1),
        (replace(READY, writable=False), True, 1),
        (replace(READY, backup=(), unknown=("x",), writable=False), True, 3),
        (Failed(text="no route"), True, 1),
    ],
)
def test_a_machine_lacks_what_a_copy_of_files_needs(
    found: HostFacts | Failed | None, receives: bool, problems: int | None
) -> None:
    remarks = list(machine(replace(look("db2", version=MARIADB), machine=found), receives=receives))
    assert {remark.topic for remark in remarks} <= {Topic.MACHINE}
    if problems is None:
        assert not remarks
    elif problems == 0:
        assert [remark.level for remark in remarks] == [Level.GOOD]
    else:
        assert [remark.level for remark in remarks] == [Level.PROBLEM] * problems
        assert all(remark.hint for remark in remarks)


ALLOWED = Login(user="op@%", grants=("GRANT CLONE_ADMIN ON *.* TO `op`@`%`",))


@pytest.mark.parametrize(
    ("seen", "receives", "level", "grants"),
    [
        (look("db2"), True, None, 0),
        (replace(look("db2"), can_clone=False), True, Level.NOTE, 0),
        (replace(look("db2"), can_clone=True), True, Level.NOTE, 1),
        (replace(look("db2"), can_clone=True), False, Level.GOOD, 0),
        (replace(look("db2"), can_clone=True, operator=ALLOWED), True, Level.GOOD, 0),
        (replace(look("db2"), can_clone=True, operator=Failed(text="x")), True, Level.NOTE, 1),
    ],
)
def test_a_server_that_can_be_cloned(seen: Look, receives: bool, level: Level | None, grants: int) -> None:
    remarks = list(cloning(seen, receives=receives))
    assert [remark.level for remark in remarks] == ([level] if level else [])
    assert sum(len(remark.grants) for remark in remarks) == grants

"""Which of the file systems that a server lists it has its data and logs on."""

import pytest

from repwatch.model.observation import DiskSpace
from repwatch.sql.disks import read_disks
from repwatch.sql.status_columns import RawRow

ROOT, DATA = ("/", "100", "300"), ("/srv/db", "10", "20")


def rows(*disks: tuple[str, str | None, str | None], data: str = "/srv/db/data/", log: str | None = None) -> list[RawRow]:
    """As a server gives them, in KiB."""
    shown = {"data": data, "log": log, "relay": "/srv/db/data/relay"}
    return [{"Path": path, "Used": used, "Available": free, **shown} for path, used, free in disks]


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        (rows(ROOT, DATA), ["/srv/db"]),
        (rows(DATA, ROOT), ["/srv/db"]),
        (rows(DATA, ROOT, log="/var/log/binlog"), ["/", "/srv/db"]),
        (rows(ROOT, ("/srv/d", "1", "1")), ["/"]),  # a name that begins alike is another folder
        (rows(("/boot", "9", "0")), []),
        (rows(("/srv/db", None, None), ROOT), []),
        (rows(("/srv/db", "odd", "1")), []),
        ([], []),
        ([{"Path": None}], []),
    ],
)
def test_the_disks_of_a_server(given: list[RawRow], paths: list[str]) -> None:
    assert [space.path for space in read_disks(given)] == paths


def test_bytes_of_the_one_that_is_mounted_last() -> None:
    assert read_disks(rows(("/srv/db", "1", "2"), DATA)) == (DiskSpace(path="/srv/db", used=10240, free=20480),)

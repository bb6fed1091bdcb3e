"""How much room there is on a MariaDB server's disks: its plugin `disks` tells. MySQL has nothing of the kind."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from repwatch.model.observation import DiskSpace
from repwatch.sql.status_columns import RawRow, StatusRow

# Error 1109 if the plugin is not installed. Numbers in KiB, for every file system that is mounted; without the privilege FILE
# there are no rows and no error (MariaDB manual, "Information Schema DISKS Table"; tried on 10.11 with Debian's plugin).
DISKS: Final = (
    "SELECT Path, Used, Available,"
    " @@global.datadir AS data, @@global.log_bin_basename AS log, @@global.relay_log_basename AS relay"
    " FROM information_schema.DISKS"
)
_PLACES = ("data", "log", "relay")


def read_disks(rows: Iterable[RawRow]) -> tuple[DiskSpace, ...]:
    """The disks on which data, binary logs or relay logs lie, as far as their paths tell: a symbolic link misleads."""
    shown = [StatusRow(row) for row in rows]
    spaces: dict[str, DiskSpace] = {}
    for place in {row.text(name) for row in shown for name in _PLACES} - {""}:
        within = [row for row in shown if PurePosixPath(place).is_relative_to(row.text("path") or "?")]
        # Of two that are mounted at one place the later one is seen.
        row = max(reversed(within), key=lambda each: len(each.text("path")), default=None)
        if row is not None and row.number("used") is not None and row.number("available") is not None:
            path = row.text("path")
            spaces[path] = DiskSpace(path=path, used=1024 * row.whole("used"), free=1024 * row.whole("available"))
    return tuple(spaces[path] for path in sorted(spaces))

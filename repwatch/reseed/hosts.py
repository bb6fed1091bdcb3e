"""What a physical reseed has to know about the machines and the files of both servers. Read by `flows/reseed_hosts.py`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from repwatch.reseed.host_scripts import Folders

Number = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A machine as its shell shows it. Versions are () where the tool is missing; sizes are in bytes, -1 where not known."""

    folders: Folders
    left: bool  # a folder that an earlier reseed put aside
    own_mount: bool  # the data folder is where a file system is mounted: it cannot be renamed
    writable: bool  # it and the folder that it is in
    used: int  # by what a backup copies
    free: int
    backup: Number  # of mariadb-backup
    stream: bool  # mbstream is there
    server: Number  # of mariadbd
    unknown: tuple[str, ...] = ()  # commands that were asked for and are not there

    @classmethod
    def parse(cls, printed: str) -> Self:
        """From what `host_scripts.look` prints; what is missing counts as not there."""
        lines = dict(line.partition("=")[::2] for line in printed.splitlines())

        def size(name: str) -> int:
            text = lines.get(name, "")
            return int(text) * 1024 if text.isdigit() else -1

        return cls(
            folders=Folders(lines.get("folder", "")),
            left=lines.get("left") == "1",
            own_mount=lines.get("own_mount") == "1",
            writable=lines.get("writable") == "1",
            used=size("used"),
            free=size("free"),
            backup=_number(lines.get("backup", ""), r"server (\d+)\.(\d+)\.(\d+)"),
            stream=bool(lines.get("stream")),
            server=_number(lines.get("server", ""), r"Ver (\d+)\.(\d+)\.(\d+)"),
            unknown=tuple(lines.get("unknown", "").split()),
        )


def _number(text: str, pattern: str) -> Number:
    found = re.search(pattern, text)
    return tuple(map(int, found.groups())) if found else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A server's files as its own variables and catalogue show them."""

    folder: str
    elsewhere: tuple[str, ...]  # settings and tables that lie outside of it
    encrypted: bool
    page_size: str
    data_file_path: str
    binlog: str  # path without number, "" without a binary log
    relay_log: str

    @classmethod
    def parse(cls, variables: Mapping[str, str], tablespaces: tuple[str, ...]) -> Self:
        """From the rows of `sql.physical.VARIABLES` and the paths of all tablespaces."""
        folder = variables.get("datadir", "").rstrip("/")
        inside = ("", ".", "./", folder, f"{folder}/")
        moved = [name for name in _PLACES if variables.get(name, "") not in inside]
        far = [path for path in tablespaces if path.startswith("/") and not path.startswith(f"{folder}/")]
        data_file_path = variables.get("innodb_data_file_path", "")
        return cls(
            folder=folder,
            elsewhere=(*moved, *(["innodb_data_file_path"] if "/" in data_file_path else []), *far),
            encrypted=any(variables.get(name, "OFF") not in ("OFF", "") for name in _ENCRYPTION),
            page_size=variables.get("innodb_page_size", ""),
            data_file_path=data_file_path,
            binlog=variables.get("log_bin_basename", ""),
            relay_log=variables.get("relay_log_basename", ""),
        )

    @property
    def logs_elsewhere(self) -> tuple[str, ...]:
        """Binary and relay logs outside of it: they are not put aside with the data, and do not come back with it."""
        return tuple(path for path in (self.binlog, self.relay_log) if path and not path.startswith(f"{self.folder}/"))

    @property
    def not_copied(self) -> tuple[str, ...]:
        """What lies in the data folder and is in no backup, as wildcards."""
        logs = (path.rpartition("/")[2] for path in (self.binlog, self.relay_log) if path)
        return (*(f"{name}.[0-9]*" for name in logs), "ibtmp*", "ib_logfile*")


_PLACES = ("innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory", "aria_log_dir_path")
_ENCRYPTION = ("innodb_encrypt_log", "innodb_encrypt_tables", "aria_encrypt_tables")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Both ends. `trouble` is why a machine could not be looked at, "" if it could; then both `*_host` are there."""

    trouble: str = ""
    source_files: FileFacts | None = None
    target_files: FileFacts | None = None
    source_host: HostFacts | None = None
    target_host: HostFacts | None = None
    stop: str = ""  # the commands of the target's machine
    start: str = ""
    begun: bool = False  # a reseed by files has begun and not ended, as the journal has it
    strangers: tuple[str, ...] = ()  # accounts of the replica that the source does not let in, or not far enough

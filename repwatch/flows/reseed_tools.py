"""The doors that a reseed goes through."""

from collections.abc import Callable
from dataclasses import dataclass

from repwatch.ports.binlog import ReadBinlog
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.ports.journal import Journal
from repwatch.ports.records import Records
from repwatch.ports.shell import NO_SHELL, Shell
from repwatch.reseed.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Servers, time, the record, who wants to know how far it is, binary logs, and the machines of servers."""

    connect: Connect
    clock: Clock
    journal: Journal
    holds: Records  # what is held of a replica that is copied from
    progress: Callable[[Progress], None]
    read_binlog: ReadBinlog
    shell: Shell = NO_SHELL

"""The port to transactions in a server's binary log, as a file that can be read and run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from repwatch.model.endpoint import Endpoint
from repwatch.model.server import ServerVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What to read, from one log to the newest: `gtids` (MySQL), or all of some servers (MariaDB's tool takes nothing finer)."""

    first_log: str
    gtids: str
    server_ids: tuple[int, ...]


class ReadBinlog(Protocol):
    """Reads it over the network, as a replica does."""

    def __call__(
        self, endpoint: Endpoint, version: ServerVersion, extract: Extract, path: Path, header: Sequence[str]
    ) -> frozenset[str]:
        """Write a new file; when this returns it is on the disk. Returns the GTIDs in it.

        Raises Refused (no tool, it fails, there is such a file) and StoreError; then there is no file of ours.
        """
        ...

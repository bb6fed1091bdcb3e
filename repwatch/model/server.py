"""What a server is: flavour, version, address."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Flavour(StrEnum):
    """The two families. They differ in statements, in GTIDs and in what a snapshot can prove."""

    MARIADB = "mariadb"
    MYSQL = "mysql"


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """Flavour and version, parsed from `VERSION()` and `@@version_comment`; compare `number`, never text.

    MariaDB replicas may report a `5.5.5-` prefix (a replication protocol workaround of MariaDB 10), and MySQL
    changed to calendar versions (26.7.0), so the major number says nothing about the flavour.
    """

    flavour: Flavour
    number: tuple[int, int, int]
    text: str

    @classmethod
    def parse(cls, version: str, comment: str = "") -> "ServerVersion":
        """Parse `SELECT VERSION(), @@version_comment`. Raises ValueError if there is no number in it."""
        flavour = Flavour.MARIADB if "mariadb" in f"{version} {comment}".lower() else Flavour.MYSQL
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version.removeprefix("5.5.5-") if flavour is Flavour.MARIADB else version)
        if found is None:
            raise ValueError(f"no version number in {version!r}")
        return cls(flavour, (int(found[1]), int(found[2]), int(found[3] or 0)), version)

    def at_least(self, *number: int) -> bool:
        """True if this version is `number` (major, minor[, patch]) or later; the flavour is the caller's business."""
        return self.number[: len(number)] >= number

    @property
    def is_mariadb(self) -> bool:
        """True for MariaDB, false for MySQL and its kin."""
        return self.flavour is Flavour.MARIADB


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a server listens: `host:port`, or the path of a Unix socket. This text names the server in all JSON."""

    host: str
    port: int = 3306
    socket: str = ""

    def __str__(self) -> str:
        if self.socket:
            return self.socket
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

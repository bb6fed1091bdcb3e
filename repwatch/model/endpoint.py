"""How to log in to a server. Values only: a secret is named here and read by `adapters/secrets.py` at each connect."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from repwatch.model.server import Address


class TlsMode(StrEnum):
    """The server's own words for what a client demands (MySQL manual, `--ssl-mode`)."""

    DISABLED = "disabled"
    PREFERRED = "preferred"
    REQUIRED = "required"
    VERIFY_CA = "verify-ca"
    VERIFY_IDENTITY = "verify-identity"


@dataclass(frozen=True, slots=True)
class LiteralSecret:
    """A secret given in the clear (a URL, a prompt). Its text never shows in a repr."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A secret that is the first line of a file; read anew at each use, so that it can be rotated."""

    path: Path


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """A secret in an environment variable."""

    variable: str


@dataclass(frozen=True, slots=True)
class CommandSecret:
    """A secret that a command prints on its first line."""

    argv: tuple[str, ...]


SecretSource = LiteralSecret | FileSecret | EnvSecret | CommandSecret


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One account on one server. `password` None means: log in without a password."""

    address: Address
    user: str
    password: SecretSource | None = None
    tls: TlsMode = TlsMode.PREFERRED
    ca: Path | None = None

    def __str__(self) -> str:
        return str(self.address)

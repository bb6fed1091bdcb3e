"""What the driver is asked for, and what it is asked about. Each option is set on purpose: docs/decisions/0001-driver.md."""

import ssl
from typing import Any

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract
from mysql.connector.constants import ClientFlag

from repwatch.adapters.secrets import reveal
from repwatch.model.endpoint import Endpoint, TlsMode
from repwatch.ports.database import Timeouts

# What the driver raises for a peer that is gone or talks nonsense; the last two come out of its parser.
DRIVER_ERRORS = (mysql.connector.Error, OSError, IndexError, AttributeError)


def connect_options(endpoint: Endpoint, timeouts: Timeouts, *, together: bool = False) -> dict[str, Any]:
    """The keyword arguments of a connect; `together` lets several statements be sent at once.

    Raises UsageError where the secret cannot be read.
    """
    address = endpoint.address
    chosen: dict[str, Any] = {
        "user": endpoint.user,
        "password": reveal(endpoint.password) if endpoint.password else "",
        "autocommit": True,
        "charset": "utf8mb4",
        "collation": "utf8mb4_general_ci",  # the one that every version of both flavours knows
        "connection_timeout": max(1, round(timeouts.connect)),
        "read_timeout": max(1, round(timeouts.read)),
        "write_timeout": max(1, round(timeouts.read)),
        "client_flags": [ClientFlag.MULTI_STATEMENTS if together else -ClientFlag.MULTI_STATEMENTS],
        "ssl_disabled": endpoint.tls is TlsMode.DISABLED,
        "allow_local_infile": False,
    }
    chosen |= {"unix_socket": address.socket} if address.socket else {"host": address.host, "port": address.port}
    return chosen | _verification(endpoint)


def _verification(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.tls not in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY):
        return {}
    # Without a file of one's own the machine's authorities count: servers at a provider have public certificates.
    authorities = endpoint.ca or ssl.get_default_verify_paths().cafile
    return {
        "ssl_ca": str(authorities) if authorities else None,
        "ssl_verify_cert": True,
        "ssl_verify_identity": endpoint.tls is TlsMode.VERIFY_IDENTITY,
    }


def is_encrypted(connection: MySQLConnectionAbstract) -> bool:
    """Whether this end encrypts. The server's own word (Ssl_cipher) would prove nothing: a man in the middle can say it too."""
    native = getattr(connection, "_cmysql", None)
    return bool(native.get_ssl_cipher()) if native is not None else bool(connection.is_secure)

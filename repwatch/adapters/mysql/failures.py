"""Classifies what the driver raises, once, here.

Numbers: MySQL manual "Server Error Message Reference" and "Client Error Message Reference"; MariaDB manual "Error Codes".
"""

import mysql.connector

from repwatch.adapters.mysql.greeting import Greeting, look
from repwatch.errors import (
    DefinitionChanged,
    LoginRefused,
    NotMySQL,
    OutcomeUnknown,
    PrivilegeMissing,
    ServerError,
    StatementRefused,
    StatementTimedOut,
    Unreachable,
)
from repwatch.model.endpoint import Endpoint

# 1040/1203/1226: full; 1129/1130: this host is refused; 1862: the password has expired. The server is alive in all of them.
_LOGIN = {1040, 1044, 1045, 1129, 1130, 1203, 1226, 1227, 1251, 1275, 1698, 1820, 1862, 2049, 2054, 2059, 2061, 3118, 3159, 4151}
_PRIVILEGE = {1044, 1142, 1143, 1227, 1370, 1419, 3989, 4062}
_TIMED_OUT = {1317, 1969, 3024}
_DEFINITION = {1412}
# The connection was there and is gone; 1053 and 1927: the server shut it.
_LOST = {1053, 1927, 1158, 1159, 1160, 1161, 4031}
# Of the client itself, which got no answer or understood none ("Malformed packet"). Save 2068: a file that it did not send.
_CLIENT = {*range(2000, 3000)} - {2068}
# The driver speaks of the first packet: it was cut off, was no packet, or had another protocol version.
_FIRST_PACKET = {0, 2007, 2012, 2013, 2027, 2055}
_TLS = {2026}

_LOGIN_HINTS = {
    1040: "the server has no free connection; raise max_connections or find who holds them",
    1129: "the server blocks this host: FLUSH HOSTS (MariaDB), TRUNCATE performance_schema.host_cache (MySQL)",
    1130: "grant this host to the account",
    1203: "the account holds as many connections as it may",
    1226: "the account has used up a limit of its own (MAX_USER_CONNECTIONS and the like)",
    1820: "the password has expired: ALTER USER … IDENTIFIED BY …",
    1862: "the password has expired: ALTER USER … IDENTIFIED BY …",
    2059: "use an account with mysql_native_password (MariaDB) or caching_sha2_password (MySQL)",
    2061: "caching_sha2_password needs TLS: do not set tls = 'disabled'",
    3159: "the server takes encrypted connections only: do not set tls = 'disabled'",
}
_REACH = "is the server running, and do host, port and firewall allow it?"


def connect_failure(error: Exception, endpoint: Endpoint, seconds: float) -> ServerError:
    """What a failed connect means. `seconds` are left for a second look at a peer that did not get as far as a login."""
    server = str(endpoint.address)
    errno = _errno(error)
    if isinstance(error, NotImplementedError | mysql.connector.NotSupportedError):  # an authentication plugin it does not know
        return LoginRefused(_text(error), server=server, errno=errno, hint=_LOGIN_HINTS[2059])
    if errno in _LOGIN:
        hint = _LOGIN_HINTS.get(errno, f"check user {endpoint.user!r}, its password and its host on the server")
        return LoginRefused(_text(error), server=server, errno=errno, hint=hint)
    if errno in _TLS:
        hint = "compare the server's TLS with tls and ca; tls = 'required' encrypts without checking the certificate"
        return Unreachable(f"no encrypted connection: {_text(error)}", server=server, errno=errno, hint=hint)
    if errno in _FIRST_PACKET:
        return _first_packet(error, endpoint, seconds)
    return Unreachable(_text(error), server=server, errno=errno, hint=_REACH)


def _first_packet(error: Exception, endpoint: Endpoint, seconds: float) -> ServerError:
    server = str(endpoint.address)
    errno = _errno(error)
    match look(endpoint.address, seconds) if seconds > 0 else Greeting.SILENCE:
        case Greeting.OTHER:
            text = "what answers there is no MySQL or MariaDB server"
            return NotMySQL(text, server=server, errno=errno, hint="check host and port")
        case Greeting.SILENCE:
            text = "it accepts connections and does not answer in time"
            return Unreachable(text, server=server, errno=errno, hint="the server hangs or is overloaded; look at it directly")
        case Greeting.HANG_UP:
            text = "it accepts connections and hangs up at once"
            return Unreachable(text, server=server, errno=errno, hint="is there a proxy without a server behind it?")
        case Greeting.MYSQL if not errno:  # the driver itself gave up on the login, and has no number for that
            hint = "with tls = 'disabled' some authentication plugins do not work"
            return LoginRefused(_text(error), server=server, hint=hint)
        case Greeting.MYSQL | Greeting.NOBODY:
            return Unreachable(_text(error), server=server, errno=errno, hint=_REACH)


def statement_failure(error: Exception, server: str) -> ServerError:
    """What a failed statement means."""
    errno = _errno(error)
    text = _text(error)
    # The driver gives its own timeouts the number 3024, which is also the server's for a statement that it ended.
    if (
        type(error).__name__ in {"ReadTimeoutError", "WriteTimeoutError"}
        or isinstance(error, OSError)
        or errno in _LOST | _CLIENT
        or not errno
    ):
        hint = "the server may have carried it out: look before repeating it"
        return OutcomeUnknown(text or "the connection was lost", server=server, errno=errno, hint=hint)
    if errno in _PRIVILEGE:
        return PrivilegeMissing(text, server=server, errno=errno, hint="`repwatch doctor` prints the missing GRANT")
    if errno in _TIMED_OUT:
        return StatementTimedOut(text, server=server, errno=errno)
    if errno in _DEFINITION:
        return DefinitionChanged(text, server=server, errno=errno)
    return StatementRefused(text, server=server, errno=errno)


def _errno(error: Exception) -> int:
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) and number > 0 and not isinstance(error, OSError) else 0


def _text(error: Exception) -> str:
    return str(getattr(error, "msg", None) or error).strip()

"""Classifies what the driver raises, once, here.

Numbers: MySQL manual "Server Error Message Reference" and "Client Error Message Reference"; MariaDB manual "Error Codes".
"""

from repwatch.errors import (
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
_LOGIN = {1040, 1044, 1045, 1129, 1130, 1203, 1226, 1227, 1251, 1275, 1698, 1820, 1862, 2054, 2059, 2061, 3118, 3159, 4151}
_PRIVILEGE = {1044, 1142, 1143, 1227, 1370, 1419, 3989, 4062}
_TIMED_OUT = {1317, 1969, 3024}
# The connection was there and is gone; 1053 and 1927: the server shut it.
_LOST = {2006, 2013, 2055, 1053, 1927, 1158, 1159, 1160, 1161, 4031}

_LOGIN_HINTS = {
    1040: "the server has no free connection; raise max_connections or find who holds them",
    1129: "the server blocks this host: FLUSH HOSTS (MariaDB), TRUNCATE performance_schema.host_cache (MySQL)",
    1130: "grant this host to the account",
    2059: "use an account with mysql_native_password (MariaDB) or caching_sha2_password (MySQL)",
    2061: "caching_sha2_password needs TLS: do not set tls = 'disabled'",
    1862: "the password has expired: ALTER USER … IDENTIFIED BY …",
    1820: "the password has expired: ALTER USER … IDENTIFIED BY …",
}


def connect_failure(error: Exception, endpoint: Endpoint) -> ServerError:
    """What a failed connect means."""
    server = str(endpoint.address)
    errno = _errno(error)
    text = _text(error)
    if errno in _LOGIN or isinstance(error, NotImplementedError):
        hint = _LOGIN_HINTS.get(errno, f"check user {endpoint.user!r}, its password and its host on the server")
        return LoginRefused(text, server=server, errno=errno, hint=hint)
    if (
        isinstance(error, ValueError | IndexError | TypeError | AttributeError)
        or errno in (2007, 2027)
        or "malformed" in text.lower()
    ):
        return NotMySQL(
            "what answers there is no MySQL or MariaDB server", server=server, errno=errno, hint="check host and port"
        )
    return Unreachable(text, server=server, errno=errno, hint="is the server running, and do host, port and firewall allow it?")


def statement_failure(error: Exception, server: str) -> ServerError:
    """What a failed statement means."""
    errno = _errno(error)
    text = _text(error)
    if type(error).__name__ in {"ReadTimeoutError", "WriteTimeoutError"}:  # the driver gives them number 3024, the server's own
        return OutcomeUnknown(text, server=server, errno=errno)
    if errno in _PRIVILEGE:
        return PrivilegeMissing(text, server=server, errno=errno, hint="`repwatch doctor` prints the missing GRANT")
    if (
        isinstance(error, OSError)
        or type(error).__name__ in {"ReadTimeoutError", "WriteTimeoutError"}
        or errno in _LOST
        or errno == 0
    ):
        return OutcomeUnknown(text or "the connection was lost", server=server, errno=errno)
    if errno in _TIMED_OUT:
        return StatementTimedOut(text, server=server, errno=errno)
    return StatementRefused(text, server=server, errno=errno)


def _errno(error: Exception) -> int:
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) and number > 0 else 0


def _text(error: Exception) -> str:
    return str(getattr(error, "msg", None) or error).strip()

"""What can go wrong, and what the caller may conclude from it.

RepwatchError                   one clear message, a hint, an exit status
├── UsageError                  the command line or the configuration is wrong; nothing was done
│   └── ConfigError             every problem of a configuration at once
├── Refused                     a precondition does not hold; nothing was changed
├── StoreError                  the state store cannot be read or written (full disk, locked, newer schema)
├── HostFailed              a command on the machine of a server could not be run, or failed: look at what it left
├── Interrupted                 a signal ended the work; what was recorded stays
└── ServerError                 a database server did not do what was asked
    ├── Unreachable             no connection: it does not resolve, refuses, or never answers; nothing was sent
    ├── LoginRefused            the server is alive and refused the account
    ├── NotMySQL                something answers, but it does not speak the protocol
    ├── StatementRefused        the server answered with an error: the statement had no effect
    │   ├── PrivilegeMissing    … because the account lacks a privilege
    │   ├── StatementTimedOut   … because it overstayed its limit and was ended by the server
    │   └── DefinitionChanged   … because the table was altered after the transaction's snapshot
    └── OutcomeUnknown          no answer to a statement, or none that can be understood: look at the server, never repeat blindly
"""

from collections.abc import Sequence


class RepwatchError(Exception):
    """Base of every error that is shown to a person: `str(error)` is the message, `hint` says what to do."""

    exit_status = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RepwatchError):
    """The request itself is wrong; nothing was done."""


class ConfigError(UsageError):
    """All problems of a configuration at once, each one line that names its key."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = tuple(problems)


class Refused(RepwatchError):
    """A precondition does not hold; nothing was changed."""


class StoreError(RepwatchError):
    """The state store cannot be used."""


class HostFailed(RepwatchError):
    """A command on the machine of a server could not be run, or failed; it may have had effect."""


class Interrupted(RepwatchError):
    """A signal ended the work; `signal_number` gives the exit status 128 + n."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.exit_status = 128 + signal_number


class ServerError(RepwatchError):
    """A server did not do what was asked. `errno` is the server's or the client library's number, 0 if there is none."""

    def __init__(self, message: str, *, server: str, errno: int = 0, hint: str = "") -> None:
        super().__init__(f"{server}: {message}", hint=hint)
        self.server = server
        self.errno = errno
        self.text = message


class Unreachable(ServerError):
    """No connection came about; nothing was sent."""


class LoginRefused(ServerError):
    """The server is alive and does not let this account in."""


class NotMySQL(ServerError):
    """What listens there does not speak the MySQL protocol."""


class StatementRefused(ServerError):
    """The server answered a statement with an error; the statement had no effect."""


class PrivilegeMissing(StatementRefused):
    """The account lacks a privilege for the statement."""


class StatementTimedOut(StatementRefused):
    """The server ended a statement that overstayed its limit."""


class DefinitionChanged(StatementRefused):
    """The table was altered after the snapshot in which it was to be read; another snapshot shows it."""


class SelfTestFailed(ServerError):
    """The server does not tell different rows apart, or not that a value was cut: nothing follows from what it answers."""


class OutcomeUnknown(ServerError):
    """The connection was lost while a statement ran, or its answer cannot be understood; it may or may not have taken effect."""

"""The accounts of a sandbox: the same names and passwords on each of its servers, made at a server's first start.

They are made by an init file with the binary log off, so that no server starts with a transaction of its own, and so that
no server ever listens with an account without a password.
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum

from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import ServerVersion
from repwatch.sql.privileges import clone_grants, operator_grants, replication_grants, watch_grants


class Account(StrEnum):
    """Who logs in; the value is the user's name."""

    ROOT = "root"
    WATCH = "repwatch"  # watching and drift checks: exactly what `repwatch doctor` asks for
    OPERATOR = "repwatch_op"  # repair, reseed (cloning too) and exact checks
    REPLICATION = "repl"  # replicas connect with it


@dataclass(frozen=True, slots=True)
class Credentials:
    """The passwords of one sandbox."""

    passwords: dict[Account, LiteralSecret]

    @classmethod
    def random(cls) -> "Credentials":
        """New ones: the servers listen on the loopback interface, where other users of the machine can reach them."""
        return cls({account: LiteralSecret(secrets.token_hex(12)) for account in Account})

    def secret(self, account: Account) -> LiteralSecret:
        """The password of an account."""
        return self.passwords[account]

    def init_file(self, version: ServerVersion) -> str:
        """The statements that make the accounts, one a line as `--init-file` wants them."""
        lines = [
            "SET SESSION sql_log_bin = 0;",
            f"ALTER USER root@localhost IDENTIFIED BY '{self.secret(Account.ROOT).text}';",
        ]
        for account in Account:
            user = f"'{account}'@'%'"
            lines.append(f"CREATE USER {user} IDENTIFIED BY '{self.secret(account).text}';")
            lines += [f"{grant.format(account=user)};" for grant in _grants(account, version)]
        return "\n".join(lines) + "\n"


def _grants(account: Account, version: ServerVersion) -> tuple[str, ...]:
    match account:
        case Account.ROOT:
            return ("GRANT ALL ON *.* TO {account} WITH GRANT OPTION",)
        case Account.WATCH:
            return watch_grants(version)
        case Account.OPERATOR:
            return (*operator_grants(version), *clone_grants(version))
        case Account.REPLICATION:
            return replication_grants(version)

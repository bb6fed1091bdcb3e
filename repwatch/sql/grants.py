"""What an account holds, read out of SHOW GRANTS, and what is missing of what it needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from repwatch.model.server import ServerVersion
from repwatch.sql.privileges import Grant
from repwatch.sql.quoting import quote_text

ALL = "ALL PRIVILEGES"
_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?:TABLE )?(?P<on>\*\.\*|`(?:[^`]|``)*`\.\*) TO ", re.IGNORECASE)
_ON_TABLE = re.compile(
    r"GRANT (?P<privileges>.+?) ON (?:TABLE )?(?P<on>\*\.\*|`(?:[^`]|``)*`\.(?:\*|`(?:[^`]|``)*`)) TO ", re.IGNORECASE
)
# Old names that some versions print, and those that MariaDB takes as synonyms.
_SYNONYMS = {"REPLICA MONITOR": "SLAVE MONITOR", "REPLICATION REPLICA ADMIN": "REPLICATION SLAVE ADMIN", "ALL": ALL}
# MariaDB up to 10.11: SUPER still stands for what was split off from it in 10.5.2 (its manual, "SUPER").
_SUPER = {
    "BINLOG ADMIN",
    "CONNECTION ADMIN",
    "READ_ONLY ADMIN",
    "REPLICATION MASTER ADMIN",
    "REPLICATION SLAVE ADMIN",
    "SET USER",
}
SYSTEM = {"mysql", "information_schema", "performance_schema", "sys"}


@dataclass(frozen=True, slots=True)
class Held:
    """Privileges on everything, and the user schemas on which there are any."""

    everywhere: frozenset[str]
    schemas: dict[str, frozenset[str]]

    def has(self, privilege: str) -> bool:
        """True if it is held on everything."""
        return privilege in self.everywhere or ALL in self.everywhere


def held(grants: Iterable[str], version: ServerVersion) -> Held:
    """Read the lines of SHOW GRANTS for the account that is logged in; active roles are in them on both flavours."""
    everywhere: set[str] = set()
    schemas: dict[str, frozenset[str]] = {}
    for line in grants:
        found = _GRANT.match(line)
        if found is None:
            continue
        privileges = frozenset(_names(found["privileges"]))
        if found["on"] == "*.*":
            everywhere |= privileges
        else:
            schema = found["on"][1:-3].replace("``", "`")
            schemas[schema] = schemas.get(schema, frozenset()) | privileges
    if version.is_mariadb and not version.at_least(11, 0) and "SUPER" in everywhere:
        everywhere |= _SUPER
    if "SUPER" in everywhere and version.is_mariadb:
        everywhere.add("REPLICATION CLIENT")
    return Held(frozenset(everywhere), {name: kinds for name, kinds in schemas.items() if name not in SYSTEM})


def missing_on_table(grants: Iterable[str], need: Grant) -> tuple[str, ...]:
    """The privileges of `need`, which is of one table, that no line of SHOW GRANTS gives: for it, its schema or everything."""
    schema = need.on.rpartition(".")[0]
    found: set[str] = set()
    for line in grants:
        given = _ON_TABLE.match(line)
        if given is not None and given["on"].replace("\\_", "_") in ("*.*", f"{schema}.*", need.on):
            found |= set(_names(given["privileges"]))
    return () if found & {ALL} else tuple(privilege for privilege in need.privileges if privilege not in found)


def missing(needs: Iterable[Grant], holds: Held) -> tuple[Grant, ...]:
    """What of `needs` is not held on everything, as grants of just that."""
    lacking = (Grant(tuple(privilege for privilege in need.privileges if not holds.has(privilege)), need.on) for need in needs)
    return tuple(grant for grant in lacking if grant.privileges)


def covered_by_schemas(lacking: Iterable[Grant], holds: Held) -> tuple[str, ...]:
    """The schemas that hold all that is missing everywhere; a check then sees these and no others."""
    wanted = {privilege for grant in lacking for privilege in grant.privileges}
    return tuple(sorted(name for name, kinds in holds.schemas.items() if wanted <= kinds or ALL in kinds))


def account_literal(current_user: str) -> str:
    """`CURRENT_USER()` as GRANT wants it: `'repwatch'@'10.%'`. A user name may hold an @, a host cannot."""
    user, _, host = current_user.rpartition("@")
    return f"{quote_text(user)}@{quote_text(host)}"


def statement(grant: Grant, current_user: str) -> str:
    """The GRANT to run for that account."""
    return f"{grant.text.format(account=account_literal(current_user))};"


def _names(text: str) -> Iterable[str]:
    for part in text.split(","):
        name = re.sub(r"\(.*", "", part).strip().upper()
        yield _SYNONYMS.get(name, name)

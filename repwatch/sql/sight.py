"""What an account sees of a server's objects: servers leave out what it may not see, and that must not look missing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from repwatch.model.schema import ObjectKind
from repwatch.model.server import ServerVersion
from repwatch.sql.grants import ALL, SYSTEM, Held, held, statement
from repwatch.sql.privileges import Grant

# A partial revoke of MySQL: granted everywhere, and not here.
_REVOKED: Final = re.compile(r"REVOKE (.+) ON `((?:[^`]|``)*)`\.\* FROM ", re.IGNORECASE)
_ROUTINES: Final = (ObjectKind.PROCEDURE, ObjectKind.FUNCTION, ObjectKind.PACKAGE, ObjectKind.PACKAGE_BODY)
_NEEDS: Final = {
    ObjectKind.VIEW: ("SELECT", "SHOW VIEW"),
    ObjectKind.TRIGGER: ("TRIGGER",),
    ObjectKind.EVENT: ("EVENT",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one account holds on one server. `account` is its CURRENT_USER()."""

    version: ServerVersion
    account: str
    holds: Held
    revoked: Mapping[str, frozenset[str]] = field(default_factory=dict)  # by schema

    def sees(self, kind: ObjectKind, schema: str) -> bool:
        """True if an object of the kind that is not listed in the schema is not there."""
        needs = self._needs(kind)
        if all(self.holds.has(privilege) for privilege in needs):
            return schema not in self.revoked
        here = self.holds.schemas.get(schema, frozenset())
        on_schema = kind not in _ROUTINES and bool(schema)
        return on_schema and all(privilege in here or "ALL PRIVILEGES" in here for privilege in needs)

    def sees_tables(self, schema: str) -> bool:
        """True if a table that is not listed in the schema is not there, and all that are listed may be read."""
        if self.holds.has("SELECT"):
            return not self.revoked.get(schema, frozenset()) & {"SELECT", ALL}
        return any({"SELECT", ALL} & kinds and _fits(schema, granted) for granted, kinds in self.holds.schemas.items())

    def sees_all_tables(self) -> bool:
        """True if that holds of every schema of the users."""
        return self.holds.has("SELECT") and all(self.sees_tables(schema) for schema in self.revoked if schema not in SYSTEM)

    def tables_remedy(self) -> str:
        """The GRANT that would show all tables."""
        return statement(Grant(("SELECT",)), self.account)

    def remedy(self, kind: ObjectKind) -> str:
        """The GRANT that would show them."""
        return statement(Grant(self._needs(kind)), self.account)

    def _needs(self, kind: ObjectKind) -> tuple[str, ...]:
        """MariaDB shows routines to who may read mysql.proc, MySQL to who may read everything, or better has SHOW_ROUTINE."""
        if kind in _ROUTINES and not self.version.is_mariadb and self.version.at_least(8, 0, 20):
            return ("SELECT",) if self.holds.has("SELECT") else ("SHOW_ROUTINE",)
        return _NEEDS.get(kind, ("SELECT",))


def sight(grants: Sequence[str], account: str, version: ServerVersion) -> Sight:
    """Read the lines of SHOW GRANTS."""
    revoked: dict[str, frozenset[str]] = {}
    for line in grants:
        if found := _REVOKED.match(line):
            schema = found[2].replace("``", "`")
            revoked[schema] = revoked.get(schema, frozenset()) | {kind.strip().upper() for kind in found[1].split(",")}
    return Sight(version=version, account=account, holds=held(grants, version), revoked=revoked)


def _fits(schema: str, granted: str) -> bool:
    r"""True if a grant on this database is one on the schema: `%`, `_` are wildcards there, unless written `\%`, `\_`."""
    parts = re.findall(r"\\[%_\\]|.", granted, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(part) or re.escape(part[-1]) for part in parts), schema, re.DOTALL) is not None

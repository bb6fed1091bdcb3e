"""What an account sees of a server's objects: servers leave out what it may not see, and that must not look missing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.schema import ObjectKind
from repwatch.model.server import ServerVersion
from repwatch.sql.grants import Held, held, statement
from repwatch.sql.privileges import Grant

# A partial revoke of MySQL: granted everywhere, and not here.
_REVOKED: Final = re.compile(r"REVOKE .+ ON `((?:[^`]|``)*)`\.\* FROM ", re.IGNORECASE)
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
    revoked: frozenset[str] = frozenset()

    def sees(self, kind: ObjectKind, schema: str) -> bool:
        """True if an object of the kind that is not listed in the schema is not there."""
        needs = self._needs(kind)
        if all(self.holds.has(privilege) for privilege in needs):
            return schema not in self.revoked
        here = self.holds.schemas.get(schema, frozenset())
        on_schema = kind not in _ROUTINES and bool(schema)
        return on_schema and all(privilege in here or "ALL PRIVILEGES" in here for privilege in needs)

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
    revoked = frozenset(found[1].replace("``", "`") for line in grants if (found := _REVOKED.match(line)))
    return Sight(version=version, account=account, holds=held(grants, version), revoked=revoked)

"""Accounts, roles and what is granted to them, a handful of statements for all of them. Password hashes stay on the server."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from repwatch.model.schema import ObjectKind, ObjectName, SchemaObject
from repwatch.model.server import ServerVersion
from repwatch.sql.schema_objects import ObjectReader

Record = Mapping[str, str | None]
# The servers' own, which may differ by version.
_SYSTEM = {
    "'mysql.sys'@'localhost'",
    "'mysql.session'@'localhost'",
    "'mysql.infoschema'@'localhost'",
    "'mariadb.sys'@'localhost'",
}
AUTHENTICATION = "AUTHENTICATION"  # the clause whose text is never shown
# Their stored text has a salt: two that differ may stand for one password.
SALTED = frozenset({"caching_sha2_password", "sha256_password", "parsec"})

_MYSQL_ACCOUNTS = """SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) AS account, plugin AS PLUGIN,
SHA2(CONCAT_WS(',', authentication_string, JSON_EXTRACT(User_attributes, '$.additional_password'),
JSON_EXTRACT(User_attributes, '$.multi_factor_authentication')), 256) AS AUTHENTICATION,
account_locked AS LOCKED, password_expired AS EXPIRED, CONCAT_WS(' ', ssl_type, ssl_cipher, x509_issuer, x509_subject) AS TLS,
CONCAT_WS('/', max_questions, max_updates, max_connections, max_user_connections) AS LIMITS, password_lifetime AS LIFETIME,
JSON_EXTRACT(User_attributes, '$.Restrictions') AS RESTRICTIONS FROM mysql.user"""
_MARIADB_ACCOUNTS = """SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) AS account, JSON_VALUE(Priv, '$.plugin') AS PLUGIN,
SHA2(CONCAT_WS(',', JSON_VALUE(Priv, '$.authentication_string'), JSON_EXTRACT(Priv, '$.auth_or')), 256) AS AUTHENTICATION,
JSON_VALUE(Priv, '$.account_locked') AS LOCKED, JSON_VALUE(Priv, '$.is_role') AS IS_ROLE,
CONCAT_WS(' ', JSON_VALUE(Priv, '$.ssl_type'), JSON_VALUE(Priv, '$.ssl_cipher'), JSON_VALUE(Priv, '$.x509_issuer'),
JSON_VALUE(Priv, '$.x509_subject')) AS TLS, JSON_VALUE(Priv, '$.default_role') AS DEFAULT_ROLE,
CONCAT_WS('/', JSON_VALUE(Priv, '$.max_questions'), JSON_VALUE(Priv, '$.max_updates'), JSON_VALUE(Priv, '$.max_connections'),
JSON_VALUE(Priv, '$.max_user_connections'), JSON_VALUE(Priv, '$.max_statement_time')) AS LIMITS,
JSON_VALUE(Priv, '$.password_lifetime') AS LIFETIME FROM mysql.global_priv"""


def _granted(view: str, *, target: str, privilege: str, grantable: str = "'NO'", account: str = "") -> str:
    holder = account or "CONCAT(QUOTE(User), '@', QUOTE(Host))"
    return f"SELECT {holder} AS account, {target} AS target, {privilege} AS privilege, {grantable} AS grantable FROM {view}"


def _from_catalogue(view: str, target: str, privilege: str = "PRIVILEGE_TYPE") -> str:
    view = f"information_schema.{view}"
    return _granted(view, target=target, privilege=privilege, grantable="IS_GRANTABLE", account="GRANTEE")


_TABLE = "CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)"
_PRIVILEGES = (
    _from_catalogue("USER_PRIVILEGES", "'*.*'"),
    _from_catalogue("SCHEMA_PRIVILEGES", "CONCAT(TABLE_SCHEMA, '.*')"),
    _from_catalogue("TABLE_PRIVILEGES", _TABLE),
    _from_catalogue("COLUMN_PRIVILEGES", _TABLE, "CONCAT(PRIVILEGE_TYPE, ' (', COLUMN_NAME, ')')"),
    _granted("mysql.procs_priv", target="CONCAT(Routine_type, ' ', Db, '.', Routine_name)", privilege="Proc_priv"),
    _granted(
        "mysql.proxies_priv",
        target="'PROXY'",
        privilege="CONCAT(QUOTE(Proxied_user), '@', QUOTE(Proxied_host))",
        grantable="IF(With_grant, 'YES', 'NO')",
    ),
)
_MYSQL_ROLES = (
    _granted(
        "mysql.role_edges",
        account="CONCAT(QUOTE(TO_USER), '@', QUOTE(TO_HOST))",
        target="'ROLE'",
        privilege="CONCAT(QUOTE(FROM_USER), '@', QUOTE(FROM_HOST))",
        grantable="IF(WITH_ADMIN_OPTION = 'Y', 'YES', 'NO')",
    ),
    _granted(
        "mysql.default_roles",
        target="'DEFAULT ROLE'",
        privilege="CONCAT(QUOTE(DEFAULT_ROLE_USER), '@', QUOTE(DEFAULT_ROLE_HOST))",
    ),
)
_MARIADB_ROLES = (
    _granted("mysql.roles_mapping", target="'ROLE'", privilege="Role", grantable="IF(Admin_option = 'Y', 'YES', 'NO')"),
)


@dataclass(frozen=True, slots=True)
class AccountReaders:
    """How accounts and their grants are read; all rows of `grants` go to `parse_grants` together."""

    accounts: ObjectReader
    grants: tuple[str, ...]


def account_readers(version: ServerVersion) -> AccountReaders:
    """For MySQL 8.0 and MariaDB 10.4 and later; on an older server the statements fail, and the report says so."""
    accounts: Callable[[Sequence[Record]], Iterable[SchemaObject]] = _accounts
    if version.is_mariadb:
        return AccountReaders(ObjectReader(_MARIADB_ACCOUNTS, accounts), (*_PRIVILEGES, *_MARIADB_ROLES))
    return AccountReaders(ObjectReader(_MYSQL_ACCOUNTS, accounts), (*_PRIVILEGES, *_MYSQL_ROLES))


def _accounts(records: Sequence[Record]) -> Iterable[SchemaObject]:
    for record in records:
        account = record["account"] or ""
        if account not in _SYSTEM:
            clauses = tuple((word, value or "") for word, value in record.items() if word != "account")
            yield SchemaObject(name=ObjectName(ObjectKind.ACCOUNT, "", account), body="", clauses=clauses)


def parse_grants(records: Iterable[Record]) -> Iterable[SchemaObject]:
    """One object for each account and target; USAGE is no privilege."""
    words: dict[tuple[str, str], set[str]] = {}
    for record in records:
        account, target, privilege = record["account"] or "", record["target"] or "", record["privilege"] or ""
        if account not in _SYSTEM and privilege != "USAGE":
            grantable = " WITH GRANT OPTION" if record["grantable"] == "YES" else ""
            words.setdefault((account, target), set()).add(f"{privilege}{grantable}")
    for (account, target), privileges in words.items():
        yield SchemaObject(
            name=ObjectName(ObjectKind.GRANT, "", f"{account} ON {target}"), body=", ".join(sorted(privileges)), owner=account
        )

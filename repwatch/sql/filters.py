"""What a replication channel leaves out, as its two ends tell it: statements and parsing. `drift.filters` says what it means.

The filters are read from the status row of each channel: there both flavours show those that hold for this channel, be they
the server's or its own. MySQL's performance_schema.replication_applier_filters has the same, for a further privilege.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.server import ServerVersion

Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFilters:
    """Lists of schema names; the second is not looked at where there is a first."""

    do: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


NO_DATABASE_FILTERS: Final = DatabaseFilters()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFilters:
    """The filters of one channel. Tables are `schema.table`, wild ones with `%`, `_` and the escape `\\`.

    `rewrites` are pairs (schema on the source, schema on the replica); None if they cannot be read.
    """

    databases: DatabaseFilters = NO_DATABASE_FILTERS
    do_tables: tuple[str, ...] = ()
    ignore_tables: tuple[str, ...] = ()
    wild_do: tuple[str, ...] = ()
    wild_ignore: tuple[str, ...] = ()
    rewrites: tuple[tuple[str, str], ...] | None = ()


NO_FILTERS: Final = ChannelFilters()
_RULES: Final = (
    "Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table",
    "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table",
)  # fmt: skip
_REWRITE: Final = "Replicate_Rewrite_DB"


def log_status(version: ServerVersion) -> str:
    """The source's place in its binary log, and which databases it logs. Needs what watching needs."""
    if version.is_mariadb:
        return "SHOW MASTER STATUS"
    return "SHOW BINARY LOG STATUS" if version.at_least(8, 2) else "SHOW MASTER STATUS"


def parse_log_status(rows: Sequence[Row]) -> DatabaseFilters:
    """What the source does not write into its binary log; no replica ever sees it."""
    row = rows[0] if rows else {}
    return DatabaseFilters(do=_names(row.get("Binlog_Do_DB")), ignore=_names(row.get("Binlog_Ignore_DB")))


def filter_settings(version: ServerVersion) -> str:
    """Whether names of tables differ by case (0: they do); and the rewrites, which not each status row of MariaDB shows."""
    shown = version.is_mariadb and version.at_least(10, 11)
    return f"SELECT @@GLOBAL.lower_case_table_names, {'@@GLOBAL.replicate_rewrite_db' if shown else 'NULL'}"


def server_filters(version: ServerVersion) -> str:
    """One row as a channel's status has it: the filters of a channel that is yet to be made.

    MySQL gives it the server's (manual, "Replication Channel Based Filters"), MariaDB those of its option file, which the
    variables show; what `SET GLOBAL` put into those since is the default connection's alone.
    """
    if version.is_mariadb:
        return f"SELECT {', '.join(f'@@GLOBAL.{rule.lower()} AS {rule}' for rule in _RULES)}"
    rules = (f"MAX(IF(FILTER_NAME = '{rule.upper()}', FILTER_RULE, NULL)) AS {rule}" for rule in (*_RULES, _REWRITE))
    return f"SELECT {', '.join(rules)} FROM performance_schema.replication_applier_global_filters"


def parse_filters(row: Row, rewrites: str | None = None) -> ChannelFilters:
    """The filters of a channel's status row; `rewrites` as `filter_settings` gives them, where the row has none to show.

    On MariaDB they are those of the default connection.
    """
    shown = row.get(_REWRITE)
    return ChannelFilters(
        databases=DatabaseFilters(do=_names(row.get("Replicate_Do_DB")), ignore=_names(row.get("Replicate_Ignore_DB"))),
        do_tables=_names(row.get("Replicate_Do_Table")),
        ignore_tables=_names(row.get("Replicate_Ignore_Table")),
        wild_do=_names(row.get("Replicate_Wild_Do_Table")),
        wild_ignore=_names(row.get("Replicate_Wild_Ignore_Table")),
        rewrites=_rewrites((rewrites if shown is None else shown) or ""),
    )


def _names(text: str | None) -> tuple[str, ...]:
    """A list as the servers print it, with commas. A name with a comma in it cannot be told from two."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _rewrites(text: str) -> tuple[tuple[str, str], ...] | None:
    """`(a,b),(c,d)` of MySQL, `a->b,c->d` of MariaDB."""
    if not text:
        return ()
    if text.startswith("("):
        pairs = [part.split(",") for part in text.strip("()").split("),(")]
    else:
        pairs = [part.split("->") for part in text.split(",")]
    if any(len(pair) != 2 for pair in pairs):
        return None
    return tuple((pair[0].strip(), pair[1].strip()) for pair in pairs)

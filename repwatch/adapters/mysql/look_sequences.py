"""A part of a look at a source, taken once an hour: AUTO_INCREMENT columns that are nearly used up."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from repwatch.model.sequence import AutoIncrement, AutoIncrements
from repwatch.model.server import ServerVersion
from repwatch.sql import sequences
from repwatch.sql.status_columns import RawRow

EVERY = timedelta(hours=1)
Ask = Callable[[str], Sequence[RawRow]]
"""Sends a statement; no rows where it is refused."""


def auto_increments(known: AutoIncrements | None, version: ServerVersion, now: datetime, ask: Ask) -> AutoIncrements | None:
    """What is known, or anew where that is old. None on MySQL 5.7, whose catalogue would open every table."""
    if known is not None and timedelta(0) <= now - known.asked < EVERY:
        return known
    if version.is_mariadb:
        return AutoIncrements(asked=now, found=_mariadb(ask))
    if not version.at_least(8, 0):
        return None
    ask(sequences.MYSQL_FRESH)
    return AutoIncrements(asked=now, found=sequences.read_columns(ask(sequences.MYSQL_COLUMNS)))


def _mariadb(ask: Ask) -> tuple[AutoIncrement, ...]:
    near = sequences.candidates(ask(sequences.MARIADB_CANDIDATES))
    if not near:
        return ()
    rows = ask(sequences.mariadb_columns(list(near)))
    named = ((row, (row.get("table_schema") or "", row.get("table_name") or "")) for row in rows)
    return sequences.read_columns({**row, "next": near[name]} for row, name in named if name in near)

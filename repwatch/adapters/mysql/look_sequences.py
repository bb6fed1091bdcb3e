"""A part of a look at a source, taken once an hour: AUTO_INCREMENT columns that are nearly used up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from repwatch.errors import StatementRefused
from repwatch.model.schema import TableName
from repwatch.model.sequence import AutoIncrement, AutoIncrements
from repwatch.model.server import ServerVersion
from repwatch.sql import sequences
from repwatch.sql.status_columns import RawRow

EVERY = timedelta(hours=1)
Ask = Callable[[str], Sequence[RawRow]]
"""Sends a statement. Raises ServerError."""

_NO_ANSWER = "its statement did not come back"


@dataclass(slots=True)
class Numbers:
    """What is known of one server. It outlives a look that saw nothing, or a statement that hangs would be part of each look."""

    latest: AutoIncrements | None = None
    _after: TableName | None = None  # the last table that was looked at in its turn

    def look(self, version: ServerVersion, now: datetime, ask: Ask) -> AutoIncrements | None:
        """What is known, or anew where that is old. None on MySQL 5.7, whose catalogue would open every table.

        Raises ServerError, but none for a statement that the server refuses or ends: what was known before stays.
        """
        latest = self.latest
        if latest is not None and timedelta(0) <= now - latest.asked < EVERY:
            return latest
        if not version.is_mariadb and not version.at_least(8):
            return None
        begun = self.latest = AutoIncrements(asked=now, found=latest.found if latest else (), failure=_NO_ANSWER)
        try:
            found = self._found(version, begun, ask)
        except StatementRefused as error:
            self.latest = replace(begun, failure=f"{error.errno} {error.text}")
        else:
            self.latest = AutoIncrements(asked=now, found=found)
        return self.latest

    def _found(self, version: ServerVersion, known: AutoIncrements, ask: Ask) -> tuple[AutoIncrement, ...]:
        rows = ask(sequences.candidates(version))
        tables = sequences.choose(rows, [each.table for each in known.found], self._after)
        self._after = tables[-1] if tables else self._after
        if not version.is_mariadb:
            ask(sequences.MYSQL_FRESH)
        return sequences.read_columns(row for statement in sequences.columns(tables, version) for row in ask(statement))

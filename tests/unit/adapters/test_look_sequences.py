"""When a source is asked for numbers that run out, and what stays known where it does not answer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from repwatch.adapters.mysql.look_sequences import EVERY, Numbers
from repwatch.errors import OutcomeUnknown, PrivilegeMissing, ServerError, StatementTimedOut
from repwatch.model.server import ServerVersion
from repwatch.sql.status_columns import RawRow

NOW = datetime(2026, 11, 22, tzinfo=UTC)
VERSIONS = pytest.mark.parametrize("version", [ServerVersion.parse("8.4.3"), ServerVersion.parse("10.11.19-MariaDB")])
ROW: RawRow = {"Database": "s", "Table": "t", "In_use": "1", "table_schema": "s", "table_name": "t", "column_name": "id",
               "column_type": "tinyint", "next": "120"}  # fmt: skip


def answer(sql: str) -> Sequence[RawRow]:
    return [ROW]


@VERSIONS
@pytest.mark.parametrize("error", [StatementTimedOut("late", server="db1"), PrivilegeMissing("no", server="db1")])
def test_what_was_known_stays_where_the_server_refuses(version: ServerVersion, error: ServerError) -> None:
    def refuse(sql: str) -> Sequence[RawRow]:
        raise error

    numbers = Numbers()
    known = numbers.look(version, NOW, answer)
    assert known is not None
    assert (len(known.found), known.failure) == (1, "")
    unknown = numbers.look(version, NOW + EVERY, refuse)
    assert unknown is not None
    assert unknown.found == known.found
    assert unknown.failure
    assert numbers.look(version, NOW + EVERY * 2, answer) == type(known)(asked=NOW + EVERY * 2, found=known.found)


@VERSIONS
def test_a_statement_that_hangs_is_sent_once_an_hour(version: ServerVersion) -> None:
    sent = []

    def hang(sql: str) -> Sequence[RawRow]:
        sent.append(sql)
        raise OutcomeUnknown("gone", server="db1")

    numbers = Numbers()
    with pytest.raises(OutcomeUnknown):
        numbers.look(version, NOW, hang)
    unknown = numbers.look(version, NOW + EVERY / 2, hang)
    assert unknown is not None
    assert unknown.failure
    assert len(sent) == 1

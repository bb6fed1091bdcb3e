"""The statements of the heartbeat, its rows, and who may write it."""

from datetime import UTC, datetime

import pytest

from repwatch.model.server import ServerVersion
from repwatch.sql.grants import missing_on_table
from repwatch.sql.heartbeat import beats_of, make_table, read_beats, writing_needs

WRITE = "GRANT INSERT, UPDATE ON `repwatch`.`repwatch_heartbeat` TO `r`@`%`"


@pytest.mark.parametrize(
    ("lines", "lacking"),
    [
        ((WRITE,), ()),
        (("GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION",), ()),
        (("GRANT INSERT ON *.* TO `r`@`%`", "GRANT UPDATE ON `repwatch`.* TO `r`@`%`"), ()),
        (("GRANT SELECT, PROCESS ON *.* TO `r`@`%`", "GRANT INSERT ON `repwatch`.`repwatch_heartbeat` TO `r`@`%`"), ("UPDATE",)),
        (("GRANT INSERT, UPDATE ON `repwatch`.`other` TO `r`@`%`",), ("INSERT", "UPDATE")),
        (("GRANT INSERT, UPDATE ON `other`.* TO `r`@`%`", "GRANT USAGE ON *.* TO `r`@`%`"), ("INSERT", "UPDATE")),
        ((), ("INSERT", "UPDATE")),
    ],
)
def test_what_is_missing_to_write_it(lines: tuple[str, ...], lacking: tuple[str, ...]) -> None:
    assert missing_on_table(lines, writing_needs("repwatch")) == lacking


def test_an_escaped_schema_is_the_same() -> None:
    assert missing_on_table((r"GRANT INSERT, UPDATE ON `rep\_watch`.* TO `r`@`%`",), writing_needs("rep_watch")) == ()


def test_an_odd_schema_is_quoted() -> None:
    for statement in (*make_table("a`b"), read_beats("a`b", ServerVersion.parse("8.4.3"))):
        assert "`a``b`" in statement


def test_rows() -> None:
    now: dict[str, str | None] = {"now_utc": "2026-11-22 10:00:05.000000"}
    written = (("1", "2026-11-22 10:00:04.250000"), ("2", None), (None, "nonsense"))
    rows = [{"server_id": number, "written": time} | now for number, time in written]
    beats, clock = beats_of(rows)
    assert beats == {1: datetime(2026, 11, 22, 10, 0, 4, 250000, tzinfo=UTC)}
    assert clock == datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
    assert beats_of([]) == ({}, None)

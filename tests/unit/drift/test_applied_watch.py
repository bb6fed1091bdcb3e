"""Since when a replica was seen to apply row images alone."""

from typing import cast

from repwatch.flows.drift_world import AppliedWatch
from repwatch.ports.database import Database
from repwatch.sql.applied_events import parse_applied

ONE, OTHER = cast("Database", object()), cast("Database", object())


def test_what_has_not_moved_is_quiet_since_it_was_first_seen_so() -> None:
    watch = AppliedWatch()
    watch.record((("7", "0"),), ONE, 1.0)
    watch.record((("7", "0"),), ONE, 2.0)
    assert (watch.quiet_since(0.9), watch.quiet_since(1.0)) == (False, True)
    watch.record((("7", "1"),), ONE, 3.0)
    assert (watch.quiet_since(2.9), watch.quiet_since(3.0)) == (False, True)


def test_another_thread_another_session_and_silence_begin_anew() -> None:
    for applied, session in (((("8", "0"),), ONE), ((("7", "0"),), OTHER), (None, ONE)):
        watch = AppliedWatch()
        watch.record((("7", "0"),), ONE, 1.0)
        watch.record(applied, session, 2.0)
        assert not watch.quiet_since(1.5)
    assert not watch.quiet_since(9.0)


def test_threads_that_are_not_counted_tell_nothing() -> None:
    rows: list[dict[str, str | None]] = [
        {"thread": "7", "counted": "YES", "statements": None},
        {"thread": "8", "counted": "YES", "statements": "3"},
    ]
    assert parse_applied(rows) == (("7", "0"), ("8", "3"))
    rows.append({"thread": "9", "counted": "NO", "statements": None})
    assert parse_applied(rows) is None
    assert parse_applied([]) is None

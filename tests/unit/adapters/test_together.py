"""Entries that are written together: whose fault is whose."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, ProgrammingError

from repwatch.adapters.store.failures import store_errors
from repwatch.adapters.store.together import Together, Waiting
from repwatch.errors import StoreError
from repwatch.ports.store import Entry

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def failing(bad: Entry, error: Exception, tries: list[int]) -> Together:
    """Of a store that fails so whenever that entry is among those to be written."""

    def write(waiting: Sequence[Waiting]) -> None:
        tries.append(len(waiting))
        with store_errors("here"):
            if any(each.entry is bad for each in waiting):
                raise error

    return Together(write)


def at_once(together: Together, entries: Sequence[Entry]) -> list[BaseException | None]:
    """Record them when all have come; what each met."""
    with ThreadPoolExecutor(len(entries)) as pool:
        with together._desk:
            coming = [pool.submit(together.record, entry, NOW) for entry in entries]
            while len(together._queue) < len(entries):
                time.sleep(0.01)
        return [each.exception(timeout=60) for each in coming]


@pytest.mark.parametrize("kind", [DataError, ProgrammingError, IntegrityError])
def test_who_is_refused_fails_alone(kind: type[DataError | ProgrammingError | IntegrityError]) -> None:
    entries = [Entry() for _ in range(6)]
    met = at_once(failing(entries[3], kind("INSERT", {}, Exception("no")), []), entries)
    assert [isinstance(each, StoreError) for each in met] == [each is entries[3] for each in entries]


def test_a_store_that_is_away_is_asked_once() -> None:
    entries = [Entry() for _ in range(6)]
    tries: list[int] = []
    met = at_once(failing(entries[3], OperationalError("INSERT", {}, Exception("no")), tries), entries)
    assert all(isinstance(each, StoreError) for each in met)
    assert tries == [6]

"""The C library begins once, and nobody connects before it has."""

import threading
import time
from typing import NoReturn

import mysql.connector
import pytest

from repwatch.adapters.mysql import library

THREADS = 8


def test_one_thread_begins_it_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []
    after: list[int] = []

    def connect(*, unix_socket: str, **_: object) -> NoReturn:
        time.sleep(0.05)
        attempts.append(unix_socket)
        raise mysql.connector.InterfaceError

    def begin() -> None:
        library.begin_library()
        after.append(len(attempts))

    monkeypatch.setattr(library, "_begun", False)
    monkeypatch.setattr(mysql.connector, "connect", connect)
    threads = [threading.Thread(target=begin) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert after == [1] * THREADS


def test_the_driver_fails_at_once_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is a real one: it goes through the library and raises nothing here."""
    monkeypatch.setattr(library, "_begun", False)
    library.begin_library()

"""The C library under the driver. It begins its life in the first connect, which two threads must not make at once."""

from contextlib import suppress
from threading import Lock
from typing import Final

import mysql.connector

_NOWHERE: Final = "/dev/null/none"  # no socket can lie there

_lock = Lock()
_begun = False


def begin_library() -> None:
    """Let the library begin, once in a process, in an attempt to connect to nothing that fails at once.

    Its first mysql_init() is not thread-safe (MySQL 9 C API, "mysql_library_init()": call it before there are threads, or use a
    mutex), and the driver calls it in each connect, without Python's lock. Seen: a segmentation fault in `_open_connection`
    of two lanes of a check.
    """
    global _begun  # noqa: PLW0603 - the library is one for the process
    with _lock:
        if not _begun:
            with suppress(mysql.connector.Error):
                mysql.connector.connect(unix_socket=_NOWHERE, user="", connection_timeout=1)
            _begun = True

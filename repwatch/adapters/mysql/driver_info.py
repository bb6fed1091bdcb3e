"""Which driver runs. Its C extension is left out without a word where it does not fit the system's OpenSSL."""

import platform
from importlib.metadata import version

import mysql.connector


def has_c_extension() -> bool:
    """True where rows are read by the C extension: about ten times as fast."""
    return bool(mysql.connector.HAVE_CEXT)


def driver_text() -> str:
    """Name, version and kind, with the Python that runs it."""
    kind = "C extension" if has_c_extension() else "pure Python"
    return f"mysql-connector-python {version('mysql-connector-python')} ({kind}), Python {platform.python_version()}"

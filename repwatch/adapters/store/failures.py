"""What the store's database raises, as StoreError with a hint; once, here."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError

from repwatch.errors import StoreError
from repwatch.ports.store import StoreConflict

# SQLite's own texts (sqlite3ErrStr); the driver gives no number before Python 3.11's sqlite_errorname, which wraps lose.
# Then PostgreSQL's and its driver's, in the language that servers are told to log in as a rule; another loses the hint alone.
_HINTS = (
    ("disk is full", "the disk is full; make room, and the service goes on by itself"),
    ("database is locked", "another process holds it; if that is a backup, let it end"),
    ("readonly database", "the store's file or folder is not writable for this user"),
    ("unable to open database file", "check that the store's folder exists and is writable for this user"),
    ("not a database", "the file is no SQLite database; check [store] url"),
    ("malformed", "the file is damaged; restore it, or move it away and lose the history"),
    ("disk i/o error", "the disk fails or is full; look at the system log"),
    ("no space left on device", "the disk of the store's server is full; make room, and the service goes on by itself"),
    ("lock timeout", "another session holds its tables; if that is a backup, let it end"),
    ("permission denied", "the store's account has to own its database: ALTER DATABASE … OWNER TO …"),
    (
        "read-only transaction",
        "its server is a standby or was made read-only; let [store] url lead to the one that is written",
    ),
    ("connection to server", "is the store's server up, and does it let this account in from here?"),
)


class StoreRefusal(StoreError):
    """The store answers and does not take this: another statement may succeed."""


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises into StoreError; `where` is the store without any password."""
    try:
        yield
    except IntegrityError:
        raise StoreConflict(f"the state store {where} was changed by somebody else") from None
    except DBAPIError as error:
        text = " ".join(str(error.orig).split())  # the driver of PostgreSQL tells of each address on a line of its own
        hint = next((hint for part, hint in _HINTS if part in text.lower()), "")
        refused = isinstance(error, DataError | ProgrammingError | NotSupportedError)
        raise (StoreRefusal if refused else StoreError)(f"the state store {where}: {text}", hint=hint) from None
    except SQLAlchemyError as error:
        raise StoreError(f"the state store {where}: {type(error).__name__}") from None

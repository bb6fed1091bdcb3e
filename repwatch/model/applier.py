"""What an applier does at the moment, where it does not get on: what it waits for, who holds that, and what it works on."""

from dataclasses import dataclass
from enum import StrEnum


class WaitKind(StrEnum):
    """What kind of lock an applier waits for."""

    METADATA_LOCK = "metadata-lock"  # of a table: LOCK TABLES, DDL, or an open transaction in the way of DDL
    GLOBAL_LOCK = "global-lock"  # FLUSH TABLES WITH READ LOCK, a backup
    ROW_LOCK = "row-lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A connection that holds a lock, or may do so."""

    connection: int
    account: str  # user@host, without the client's port
    command: str  # Sleep: it runs nothing and holds the lock all the same
    statement: str  # what it runs now, cut, without secrets; "" where it runs nothing
    seconds: int | None = None  # in this command


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplierWork:
    """One applier thread that has something to do. `holders` are facts only if `certain`; else they may hold the lock."""

    connection: int  # its number in the process list
    stage: str  # the server's own description
    wait: WaitKind | None = None
    holders: tuple[Holder, ...] = ()
    certain: bool = True
    table: str = ""  # `schema.table` that it waits for or works on, "" if not known
    keyless: bool = False  # that table has neither a primary key nor a unique one
    statement: str = ""  # as the source logged it, cut, without secrets; "" where row events carry none
    rows_changed: int | None = None  # by its transaction so far

"""What a MySQL replica has applied in the form of statements: that its source logs row images says nothing of its sessions.

Each session may choose a `binlog_format` of its own, of which the global variable and the source's status tell nothing. On the
replica the two differ: performance_schema counts a statement that an applier runs under its own name, and of a transaction of
row images its BEGIN alone (seen on 9.7). Com_update and its like count row images as well.
"""

from collections.abc import Sequence
from typing import Final

from repwatch.sql.status_columns import RawRow

# What appliers run beside row images that cannot carry a difference on: the frame of a transaction, and what leaves both sides
# alike whatever was there. A table that is renamed or a partition that is exchanged may bring other rows.
_HARMLESS: Final = (
    "begin", "commit", "rollback", "savepoint", "rollback_to_savepoint", "release_savepoint",
    "xa_start", "xa_end", "xa_prepare", "xa_commit", "xa_rollback",
    "create_db", "create_table", "drop_table", "truncate",
)  # fmt: skip

# It counts a statement as that ends: before its transaction is committed, so of tables within transactions before it shows.
# Nested, as 9.7 joins these tables in an order that takes a hundred times as long.
_SCHEMA: Final = "performance_schema"
APPLIED_STATEMENTS: Final = (
    "SELECT applier.THREAD_ID AS thread,"
    f" (SELECT known.INSTRUMENTED FROM {_SCHEMA}.threads AS known WHERE known.THREAD_ID = applier.THREAD_ID) AS counted,"
    f" (SELECT SUM(seen.COUNT_STAR) FROM {_SCHEMA}.events_statements_summary_by_thread_by_event_name AS seen"
    " WHERE seen.THREAD_ID = applier.THREAD_ID AND seen.COUNT_STAR > 0"
    f" AND seen.EVENT_NAME NOT IN ({', '.join(repr(f'statement/sql/{name}') for name in _HARMLESS)})) AS statements"
    f" FROM {_SCHEMA}.replication_applier_status_by_worker AS applier"
    " WHERE applier.THREAD_ID IS NOT NULL ORDER BY applier.THREAD_ID"
)

# Whether it counts all of them: instruments and consumers can be switched off.
COUNTS_STATEMENTS: Final = (
    "SELECT @@GLOBAL.performance_schema"
    f" AND NOT EXISTS (SELECT * FROM {_SCHEMA}.setup_instruments WHERE NAME LIKE 'statement/sql/%' AND ENABLED <> 'YES')"
    f" AND NOT EXISTS (SELECT * FROM {_SCHEMA}.setup_consumers"
    " WHERE NAME IN ('global_instrumentation', 'thread_instrumentation') AND ENABLED <> 'YES')"
)

Applied = tuple[tuple[str, str], ...]


def parse_applied(rows: Sequence[RawRow]) -> Applied | None:
    """The rows of APPLIED_STATEMENTS, to be compared with earlier ones. None where they do not tell: nothing is counted."""
    if not rows or any(row["counted"] != "YES" for row in rows):
        return None
    return tuple((row["thread"] or "", row["statements"] or "0") for row in rows)

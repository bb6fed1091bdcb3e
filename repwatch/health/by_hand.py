"""How one row that stands in an applier's way is mended by hand: the statements, as far as number and text of the error tell.

Nothing of them may reach the replica's binary log: it would be an errant transaction. What a person has to find is left as …
"""

import re

from repwatch.model.observation import ChannelObservation, Observation
from repwatch.sql import replication
from repwatch.sql.quoting import quote_text
from repwatch.sql.status_texts import child_table, duplicate_entry, failed_place

_PLAIN = re.compile(
    r"[\w$]+\.[\w$]+", re.ASCII
)  # a name that needs no quoting; in any other somebody may have hidden a statement
_LONGEST = 64  # characters of a key that are shown


def fields(seen: Observation, channel: ChannelObservation, table: str) -> dict[str, str]:
    """What the templates of the errors about rows may use."""
    text = channel.applier_error.text if channel.applier_error else ""
    delete = f"DELETE FROM {_plain(table)} WHERE …"
    return {
        # It comes back with the transaction, and so must those that refer to it not go with it.
        "delete_row": _mend(seen, channel, delete, ", foreign_key_checks = 0"),
        "delete_child": _mend(seen, channel, f"DELETE FROM {_plain(child_table(text))} WHERE …"),
        "insert_row": _mend(seen, channel, f"INSERT INTO {_plain(table)} VALUES (…)"),
        "insert_parent": _mend(seen, channel, "INSERT INTO … VALUES (…)"),
        "in_key": _key(text),
        "read_event": _event(text),
    }


def _mend(seen: Observation, channel: ChannelObservation, statement: str, setting: str = "") -> str:
    """Written in one session. super_read_only keeps everybody from writing; MariaDB's read_only no administrator."""
    locked = seen.read_only and not seen.version.is_mariadb
    statements = (
        *(("SET GLOBAL super_read_only = OFF",) if locked else ()),
        f"SET SESSION sql_log_bin = 0{setting}",
        statement,
        *(("SET GLOBAL super_read_only = ON",) if locked else ()),
        replication.start_applier(seen.version, channel.name),
    )
    return f"`{'; '.join(statements)}`"


def _plain(table: str) -> str:
    return table if _PLAIN.fullmatch(table) else "…"


def _key(text: str) -> str:
    found = duplicate_entry(text)
    if found is None or any("`" in part or len(part) > _LONGEST for part in found):
        return ""
    entry, key = found
    return f" ({quote_text(entry)} in the key {key})"


def _event(text: str) -> str:
    """How the event that failed is read on the source; it is the last one that this shows."""
    file, position = failed_place(text) or ("…", "…")
    return f"`mysqlbinlog --base64-output=decode-rows -v --stop-position={position} {file}`"

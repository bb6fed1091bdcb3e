"""Statements that find what a replica wrote itself: errant transactions, and the events of its binary log that tell of them.

MySQL names a transaction by the server that first ran it, so those of the replica's own uuid are its own. MariaDB keeps the last
one of each server and domain in `gtid_binlog_state`; `gtid_binlog_pos` shows an own write only until the next event arrives.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from repwatch.model.gtid import GtidSet, MariadbPosition
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_text
from repwatch.sql.status_texts import statement_table

SHOW_LOGS = "SHOW BINARY LOGS"
_TABLE_MAP = re.compile(r"table_id: \d+ \((?P<table>.+)\)")
_USE = re.compile(r"use `(?P<database>(?:[^`]|``)+)`; ")
_STARTS = frozenset({"Previous_gtids", "Gtid_list"})

Event = Mapping[str, str | None]


def own_identity(version: ServerVersion) -> str:
    """server_id, server_uuid ('' on MariaDB), the history of the server's binary log."""
    if version.is_mariadb:
        return "SELECT @@GLOBAL.server_id, '', @@GLOBAL.gtid_binlog_state"
    return "SELECT @@GLOBAL.server_id, @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed"


def known_history(version: ServerVersion) -> str:
    """All that a source knows of transactions, in one text; it may have got them as a replica of the other."""
    if version.is_mariadb:
        return "SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_state, ''), NULLIF(@@GLOBAL.gtid_slave_pos, ''))"
    return "SELECT @@GLOBAL.gtid_executed"


def foreign_assignments(version: ServerVersion) -> str | None:
    """How many channels give anonymous transactions of a source the replica's own uuid; None where there is no such thing."""
    if version.is_mariadb or not version.at_least(8, 0, 23):
        return None
    return (
        "SELECT COUNT(*) FROM performance_schema.replication_applier_configuration "
        "WHERE ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_TYPE <> 'OFF'"
    )


def events(log: str, position: int, limit: int) -> str:
    """Some events of a binary log; position 0 is its beginning."""
    start = f" FROM {position}" if position else ""
    return f"SHOW BINLOG EVENTS IN {quote_text(log)}{start} LIMIT {limit}"


def own_transactions(version: ServerVersion, server_id: str, server_uuid: str, history: str, known: str) -> str:
    """The transactions of a replica's own that the source does not know, "" if there are none. Raises ValueError."""
    if version.is_mariadb:
        ours, theirs = _last_by_origin(history), _last_by_origin(known)
        own = [gtid for gtid in ours if gtid[1] == int(server_id) and ours[gtid] > theirs.get(gtid, 0)]
        return ",".join(f"{domain}-{server}-{ours[domain, server]}" for domain, server in sorted(own))
    executed = GtidSet.parse(history)
    mine = GtidSet(tuple(part for part in executed.ranges if part[0][0] == server_uuid.lower()))
    return str(mine.difference(GtidSet.parse(known)))


def beyond(version: ServerVersion, history: str, known: str) -> str:
    """The transactions of a history, whoever wrote them, that lie beyond what a source knows. Raises ValueError.

    On MariaDB a source need not know every server that ever wrote to a domain, only how far the domain has come.
    """
    if version.is_mariadb:
        return str(MariadbPosition.parse(history).difference(MariadbPosition.parse(known)))
    return str(GtidSet.parse(history).difference(GtidSet.parse(known)))


def lost_transactions(version: ServerVersion, server_id: str, history: str, known: str) -> str:
    """What is gone when a replica's history is: all of it that the source does not know, whoever wrote it. Raises ValueError.

    On MariaDB each is the last one of a server in a domain; those of a third server count where the domain has come less far.
    """
    if not version.is_mariadb:
        return beyond(version, history, known)
    ours, theirs = _last_by_origin(history), _last_by_origin(known)
    reached = dict(MariadbPosition.parse(known).last)
    lost = [
        (domain, server)
        for (domain, server), last in ours.items()
        if last > theirs.get((domain, server), 0) and (server == int(server_id) or last > reached.get(domain, (0, 0))[1])
    ]
    return ",".join(f"{domain}-{server}-{ours[domain, server]}" for domain, server in sorted(lost))


def merged(version: ServerVersion, one: str, two: str) -> str:
    """Both as one text. Raises ValueError."""
    if version.is_mariadb:
        last = _last_by_origin(f"{one},{two}")
        return ",".join(f"{domain}-{server}-{last[domain, server]}" for domain, server in sorted(last))
    return str(GtidSet.parse(one).union(GtidSet.parse(two)))


def begins_behind(version: ServerVersion, beginning: Sequence[Event], gtids: str) -> bool | None:
    """True if all of the transactions lie in older logs, by what a log says at its beginning; None if it does not say."""
    listed = next((event.get("Info") or "" for event in beginning if event.get("Event_type") in _STARTS), None)
    if listed is None:
        return None
    if version.is_mariadb:
        before = _last_by_origin(listed.strip("[]"))
        return all(before.get(origin, 0) >= last for origin, last in _last_by_origin(gtids).items())
    return GtidSet.parse(listed).contains(GtidSet.parse(gtids))


def begins_before(version: ServerVersion, beginning: Sequence[Event], gtids: str, known: str) -> bool:
    """True if none of the transactions lies in an older log, by what a log says at its beginning; False if it does not say.

    On MariaDB `gtids` are the last of each origin, and `known` says which ones before it are not meant.
    """
    listed = next((event.get("Info") or "" for event in beginning if event.get("Event_type") in _STARTS), None)
    if listed is None:
        return False
    if version.is_mariadb:
        before, theirs = _last_by_origin(listed.strip("[]")), _last_by_origin(known)
        return all(before.get(origin, 0) <= theirs.get(origin, 0) for origin in _last_by_origin(gtids))
    meant = GtidSet.parse(gtids)
    return meant.difference(GtidSet.parse(listed)) == meant


def servers_of(gtids: str) -> tuple[int, ...]:
    """The server ids in a MariaDB list."""
    return tuple(sorted({server for _, server in _last_by_origin(gtids)}))


def unseen(version: ServerVersion, gtids: str, seen: Iterable[str]) -> str:
    """Which of the transactions are not among those that were read; of MariaDB's list, the last of each origin."""
    if version.is_mariadb:
        found, meant = _last_by_origin(",".join(seen)), _last_by_origin(gtids)
        left = (origin for origin in sorted(meant) if found.get(origin, 0) < meant[origin])
        return ",".join(f"{domain}-{server}-{meant[domain, server]}" for domain, server in left)
    return str(GtidSet.parse(gtids).difference(GtidSet.parse(",".join(seen))))


def tables_in(found: Iterable[Event], server_id: str) -> Iterator[str]:
    """The tables that events of one server wrote to, as `schema.table`."""
    for event in found:
        info = event.get("Info") or ""
        if event.get("Server_id") != server_id:
            continue
        if event.get("Event_type") == "Table_map" and (table := _TABLE_MAP.match(info)):
            yield table["table"]
        elif event.get("Event_type") == "Query":
            use = _USE.match(info)
            named = statement_table(info[use.end() :] if use else info, use["database"].replace("``", "`") if use else "")
            if named:
                yield named


def _last_by_origin(text: str) -> dict[tuple[int, int], int]:
    """The last sequence number of each domain and server. Raises ValueError."""
    last: dict[tuple[int, int], int] = {}
    for part in filter(None, re.split(r"[,\s]+", text)):
        ((domain, (server, sequence)),) = MariadbPosition.parse(part).last
        last[domain, server] = max(sequence, last.get((domain, server), 0))
    return last

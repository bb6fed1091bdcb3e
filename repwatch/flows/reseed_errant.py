"""Transactions that only the target of a reseed has: found for the plan, and saved to a file before the first change."""

from pathlib import Path

from repwatch.errors import PrivilegeMissing, Refused
from repwatch.ports.binlog import Extract, ReadBinlog
from repwatch.ports.database import Database
from repwatch.sql import errant as sql


def read_errant(source: Database, target: Database) -> tuple[str, str]:
    """The transactions of the target that the source does not have ("" if there are none), and what the source knows.

    On MariaDB they are named by the last one of each server and domain, as the target's binary log knows them.
    """
    if source.version.flavour is not target.version.flavour:
        return "", ""
    server_id, _, history = target.text_row(sql.own_identity(target.version))
    # Read after the target's, so that it has all of that but what the target wrote itself.
    known = source.scalar(sql.known_history(source.version)) or ""
    return sql.lost_transactions(target.version, server_id or "0", history or "", known), known


def export_errant(source: Database, target: Database, read: ReadBinlog, path: Path) -> str:
    """Write them to a new file; which ones they were, "" if there are none and no file is made.

    Raises Refused where not all of them can be had, and what the connections raise; nothing is changed on any server.
    """
    gtids, known = read_errant(source, target)
    if not gtids:
        return ""
    log = _first_log(target, gtids, known)
    servers = sql.servers_of(gtids) if target.version.is_mariadb else ()
    extract = Extract(first_log=log, gtids=gtids, server_ids=servers)
    seen = read(target.endpoint, target.version, extract, path, _header(target, gtids, servers))
    if left := sql.unseen(target.version, gtids, seen):
        path.unlink(missing_ok=True)
        raise Refused(f"these transactions were not found in the binary logs of {target.server}: {left}", hint=_HINT)
    return gtids


_HINT = "leave --export-errant out if they may go"


def _first_log(target: Database, gtids: str, known: str) -> str:
    """The newest log before which none of them was written."""
    try:
        for row in reversed(target.texts(sql.SHOW_LOGS)):
            name = row.get("Log_name") or ""
            if sql.begins_before(target.version, target.texts(sql.events(name, 0, 3)), gtids, known):
                return name
    except PrivilegeMissing as error:
        raise Refused(str(error), hint="--export-errant needs REPLICATION SLAVE on the replica") from None
    raise Refused(f"{target.server} has already purged binary logs that held some of {gtids}", hint=_HINT)


def _header(target: Database, gtids: str, servers: tuple[int, ...]) -> list[str]:
    what = f"transactions of {target.server} ({target.version.text}) that its source did not have: {gtids}"
    more = "each is headed by its GTID; rows are decoded in comments, and `mysql --binary-mode < FILE` runs all of it again"
    if not servers:
        return [what, more]
    ids = ", ".join(map(str, servers))
    return [
        what,
        f"from the log in which the first stands, all of server_id {ids}",
        more,
        f"replicas with server_id {ids} pass over it where it is run on their source: take out the lines that set server_id",
    ]

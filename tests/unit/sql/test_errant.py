"""What a replica wrote itself, out of the histories and events that servers show."""

import pytest

from repwatch.model.server import ServerVersion
from repwatch.sql.errant import begins_behind, own_transactions, tables_in

MARIADB, MYSQL = ServerVersion.parse("10.11.18-MariaDB"), ServerVersion.parse("9.7.4")
OURS, THEIRS = "9cf0c370-e926-11f1-ab22-02fc00000001", "9c820bb3-e926-11f1-b0a9-02fc00000001"


@pytest.mark.parametrize(
    ("version", "history", "known", "own"),
    [
        (MYSQL, f"{THEIRS}:1-4,\n{OURS}:1-2", f"{THEIRS}:1-3", f"{OURS}:1-2"),  # what the source has not shown yet is not ours
        (MYSQL, f"{THEIRS}:1-4,{OURS}:1-9:tag:1-3", f"{OURS}:1-7", f"{OURS}:8-9:tag:1-3"),  # it was the source once
        (MYSQL, f"{THEIRS}:1-4,{OURS}:1-9", f"{THEIRS}:1-4,{OURS}:1-9", ""),
        (MYSQL, f"{THEIRS}:1-4", "", ""),
        (MYSQL, "", "", ""),
        (MARIADB, "0-1-4,0-2-5", "0-1-4", "0-2-5"),
        (MARIADB, "0-1-4,0-2-5", "0-1-99", "0-2-5"),  # a greater number of the source's own is another transaction
        (MARIADB, "0-1-4,0-2-5", "0-1-4,0-2-5", ""),
        (MARIADB, "0-1-4,0-2-5", "0-2-7,0-2-3", ""),  # log and applied position of the source, in one
        (MARIADB, "0-1-4,0-2-5,7-2-1,7-3-1", "0-1-4,0-2-5", "7-2-1"),
        (MARIADB, "0-1-4,0-3-5", "0-1-4", ""),  # of a third server: not written here
        (MARIADB, "", "", ""),
    ],
)
def test_own_transactions(version: ServerVersion, history: str, known: str, own: str) -> None:
    assert own_transactions(version, "2", OURS, history, known) == own


@pytest.mark.parametrize(
    ("version", "kind", "info", "gtids", "behind"),
    [
        (MYSQL, "Previous_gtids", "", f"{OURS}:1-2", False),
        (MYSQL, "Previous_gtids", f"{OURS}:1", f"{OURS}:1-2", False),
        (MYSQL, "Previous_gtids", f"{THEIRS}:1-9,\n{OURS}:1-2", f"{OURS}:1-2", True),
        (MARIADB, "Gtid_list", "[]", "0-2-5", False),
        (MARIADB, "Gtid_list", "[0-1-9,0-2-4]", "0-2-5", False),
        (MARIADB, "Gtid_list", "[0-1-9,\n0-2-5]", "0-2-5", True),
        (MARIADB, "Format_desc", "Server ver", "0-2-5", None),
    ],
)
def test_which_log_has_them(version: ServerVersion, kind: str, info: str, gtids: str, behind: bool | None) -> None:
    start = [{"Event_type": "Format_desc", "Info": "Server ver"}, {"Event_type": kind, "Info": info}]
    assert begins_behind(version, start, gtids) is behind


def test_the_tables_of_events() -> None:
    events = [
        ("2", "Table_map", "table_id: 109 (d.t)"),
        ("2", "Table_map", "table_id: 110 (d.odd (name))"),
        ("1", "Table_map", "table_id: 111 (d.replicated)"),
        ("2", "Query", "use `a``b`; UPDATE `x` SET v = 1"),
        ("2", "Query", "DELETE FROM d.y WHERE id = 1"),
        ("2", "Query", "FLUSH TABLES"),
        ("2", "Query", "BEGIN"),
        ("2", "Xid", "COMMIT /* xid=70 */"),
    ]
    found = [{"Server_id": server, "Event_type": kind, "Info": info} for server, kind, info in events]
    assert list(tables_in(found, "2")) == ["d.t", "d.odd (name)", "a`b.x", "d.y"]

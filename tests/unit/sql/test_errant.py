"""What a replica wrote itself, out of the histories and events that servers show."""

import pytest

from repwatch.model.server import ServerVersion
from repwatch.sql.errant import (
    begins_before,
    begins_behind,
    lost_transactions,
    own_transactions,
    servers_of,
    tables_in,
    unseen,
)

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


@pytest.mark.parametrize(
    ("version", "history", "known", "lost"),
    [
        (MYSQL, f"{THEIRS}:1-4,\n{OURS}:1-2", f"{THEIRS}:1-4", f"{OURS}:1-2"),
        (MYSQL, f"{THEIRS}:1-5", f"{THEIRS}:1-4", f"{THEIRS}:5"),  # whoever wrote it
        (MYSQL, f"{THEIRS}:1-4", f"{THEIRS}:1-9", ""),
        (MYSQL, "", "", ""),
        (MARIADB, "0-1-4,0-2-5", "0-1-99", "0-2-5"),
        (MARIADB, "0-1-4,0-2-5", "0-1-4,0-2-5", ""),
        (MARIADB, "0-1-4,7-2-1,0-2-9", "0-1-4,0-2-5", "0-2-9,7-2-1"),
        (MARIADB, "0-1-4,0-3-5", "0-1-4", "0-3-5"),  # of a third server, further than the source
        (MARIADB, "0-1-4,0-3-5", "0-1-9", ""),  # the source forgot who wrote it, and has come further
        (MARIADB, "0-1-4,7-3-5", "0-1-9", "7-3-5"),
        (MARIADB, "", "0-1-9", ""),
    ],
)
def test_lost_transactions(version: ServerVersion, history: str, known: str, lost: str) -> None:
    assert lost_transactions(version, "2", history, known) == lost


@pytest.mark.parametrize(
    ("version", "kind", "info", "gtids", "known", "before"),
    [
        (MYSQL, "Previous_gtids", "", f"{OURS}:1-2", "", True),
        (MYSQL, "Previous_gtids", f"{THEIRS}:1-9", f"{OURS}:1-2", "", True),
        (MYSQL, "Previous_gtids", f"{THEIRS}:1-9,\n{OURS}:1", f"{OURS}:1-2", "", False),
        (MYSQL, "Previous_gtids", f"{OURS}:1-7", f"{OURS}:8", "", True),
        (MARIADB, "Gtid_list", "[]", "0-2-5", "0-1-4", True),
        (MARIADB, "Gtid_list", "[0-1-9,0-2-4]", "0-2-5", "0-1-4", False),
        (MARIADB, "Gtid_list", "[0-1-9,0-2-4]", "0-2-5", "0-2-4", True),
        (MARIADB, "Gtid_list", "[0-2-4]", "0-2-5,7-2-1", "0-2-4", True),
        (MARIADB, "Gtid_list", "[0-2-4,7-2-1]", "0-2-5,7-2-9", "0-2-4", False),
        (MARIADB, "Start_encryption", "", "0-2-5", "", False),
    ],
)
def test_begins_before(  # noqa: PLR0917 - one row of a table
    version: ServerVersion, kind: str, info: str, gtids: str, known: str, before: bool
) -> None:
    beginning = [{"Event_type": "Format_desc", "Info": "4"}, {"Event_type": kind, "Info": info}]
    assert begins_before(version, beginning, gtids, known) is before


def test_what_was_not_read() -> None:
    assert unseen(MYSQL, f"{OURS}:1-3:t:1", [f"{OURS}:1", f"{OURS}:3"]) == f"{OURS}:2:t:1"
    assert unseen(MYSQL, f"{OURS}:1", [f"{OURS}:1"]) == ""
    assert unseen(MYSQL, f"{OURS}:1", []) == f"{OURS}:1"
    assert unseen(MARIADB, "0-2-5,7-2-1", ["0-2-4", "0-2-5"]) == "7-2-1"
    assert unseen(MARIADB, "0-2-5", ["0-2-5", "0-2-6"]) == ""
    assert servers_of("0-3-9,7-2-1,8-2-1") == (2, 3)

"""What the servers' lists of threads and locks say about an applier: recorded on MySQL 9.7 and MariaDB 10.11."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.applier import WaitKind
from repwatch.sql.applier_rows import read_appliers, read_holders, read_locks, read_suspects, read_tables
from repwatch.sql.status_texts import brief_statement

Row = dict[str, str | None]
META, GLOBAL, ROW = WaitKind.METADATA_LOCK, WaitKind.GLOBAL_LOCK, WaitKind.ROW_LOCK


def thread(stage: str | None, number: int = 44, **more: str | None) -> Row:
    return {"channel": "", "thread": str(number), "connection": "13", "stage": stage, "statement": None, "db": None} | more


@pytest.mark.parametrize(
    ("stage", "transaction", "wait"),
    [
        ("Waiting for table metadata lock", None, META),
        ("Waiting for schema metadata lock", None, META),
        ("Waiting for table flush", None, META),
        ("Waiting for table level lock", None, META),
        ("Waiting for global read lock", None, GLOBAL),
        ("Waiting for commit lock", None, GLOBAL),
        ("Waiting for backup lock", None, GLOBAL),
        ("Updating", "LOCK WAIT", ROW),
        ("Applying batch of row changes (update)", "LOCK WAIT", ROW),
        ("Applying batch of row changes (update)", "RUNNING", None),
        ("Update_rows_log_event::find_row()", None, None),
        ("User sleep", "RUNNING", None),
        (None, None, None),
    ],
)
def test_what_a_thread_waits_for(stage: str | None, transaction: str | None, wait: WaitKind | None) -> None:
    (found,) = read_appliers([thread(stage, trx_state=transaction)])
    assert found.wait is wait
    assert found.in_row_event is ("row" in (stage or "").lower())


@pytest.mark.parametrize(
    "stage",
    [
        "Waiting for an event from Coordinator",
        "Replica has read all relay log; waiting for more updates",
        "Slave has read all relay log; waiting for more updates",
        "Waiting for work from SQL thread",
        "Waiting for preceding transaction to commit",
        "Waiting for prior transaction to commit",
        "Waiting for dependent transaction to commit",
        "Waiting for replica workers to process their queues",
    ],
)
def test_who_waits_for_other_appliers_is_not_the_one(stage: str) -> None:
    assert read_appliers([thread(stage)]) == ()
    (found,) = read_appliers([thread(stage, 1), thread("Waiting for table metadata lock", 2)])
    assert found.thread == 2


def test_the_thread_that_waits_comes_first_then_who_changed_most() -> None:
    rows = [
        thread("x", 1, trx_rows_modified="5"),
        thread("x", 2, trx_rows_modified="500"),
        thread("x", 3, trx_state="LOCK WAIT"),
        thread("x", 4),
    ]
    assert [found.thread for found in read_appliers(rows)] == [3, 2, 1, 4]


def test_a_statement_names_its_table_and_no_secret() -> None:
    (found,) = read_appliers([thread("Updating", statement="UPDATE  t SET a =\n 1", db="shop", trx_rows_modified="7")])
    assert (found.table, found.statement, found.rows_changed) == ("shop.t", "UPDATE t SET a = 1", 7)
    (secret,) = read_appliers([thread("x", statement="CREATE USER u IDENTIFIED BY 's3cr3t'")])
    assert "s3cr3t" not in secret.statement
    assert "s3cr3t" not in brief_statement("SET PASSWORD FOR u = 's3cr3t'")
    assert len(brief_statement("x" * 5000)) < 300


def lock(kind: str, wanted: str, held: str, connection: int = 20, waiter: int = 44) -> Row:
    return {
        "waiter": str(waiter), "kind": kind, "db": "a", "name": "t", "wanted": wanted, "held": held,
        "connection": str(connection), "account": "root@localhost", "command": "Sleep", "seconds": "2", "statement": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "wanted", "held", "bars"),
    [
        ("TABLE", "SHARED_WRITE", "SHARED_NO_READ_WRITE", True),
        ("TABLE", "SHARED_WRITE", "EXCLUSIVE", True),
        ("TABLE", "SHARED_WRITE", "SHARED_READ_ONLY", True),
        ("TABLE", "SHARED_WRITE", "SHARED_NO_WRITE", True),
        ("TABLE", "SHARED_WRITE", "SHARED_READ", False),
        ("TABLE", "SHARED_WRITE", "SHARED_WRITE", False),
        ("TABLE", "SHARED_WRITE", "SHARED_UPGRADABLE", False),
        ("TABLE", "SHARED_READ", "SHARED_NO_WRITE", False),
        ("TABLE", "EXCLUSIVE", "SHARED_READ", True),
        ("TABLE", "EXCLUSIVE", "EXCLUSIVE", True),
        ("GLOBAL", "INTENTION_EXCLUSIVE", "SHARED", True),
        ("GLOBAL", "INTENTION_EXCLUSIVE", "INTENTION_EXCLUSIVE", False),
        ("COMMIT", "INTENTION_EXCLUSIVE", "SHARED", True),
        ("BACKUP LOCK", "INTENTION_EXCLUSIVE", "SHARED", True),
        ("SCHEMA", "EXCLUSIVE", "INTENTION_EXCLUSIVE", True),
    ],
)
def test_which_locks_bar_which(kind: str, wanted: str, held: str, bars: bool) -> None:
    holders, table = read_holders([lock(kind, wanted, held), lock(kind, wanted, "EXCLUSIVE", waiter=45)], 44)
    assert [holder.connection for holder in holders] == [20] * bars
    assert table == ("a.t" if bars and kind == "TABLE" else "")


def test_a_row_lock_has_no_kind() -> None:
    row: Row = {
        "waiter": "13",
        "connection": "20",
        "account": "app@10.0.0.9",
        "command": "Query",
        "seconds": None,
        "statement": "x",
    }
    holders, table = read_holders([row, row], 13)
    assert [(holder.connection, holder.seconds, holder.statement) for holder in holders] == [(20, None, "x")]
    assert table == ""


def held(mode: str, connection: int, kind: str = "Table metadata lock", name: str = "t") -> Row:
    return {
        "held": mode,
        "kind": kind,
        "db": "a",
        "name": name,
        "connection": str(connection),
        "account": "r@h",
        "command": "Sleep",
    }


@pytest.mark.parametrize(
    ("wait", "table", "who"),
    [
        (META, "a.t", [1]),
        (META, "a.u", [3, 4]),
        (META, "a.none", []),
        (META, "", [1]),
        (GLOBAL, "a.t", [5]),
    ],
)
def test_the_locks_of_mariadbs_plugin(wait: WaitKind, table: str, who: list[int]) -> None:
    rows = [
        held("MDL_SHARED_NO_READ_WRITE", 1),
        held("MDL_SHARED_READ", 2),
        held("MDL_SHARED_READ", 3, name="u"),
        held("MDL_SHARED_WRITE", 4, name="u"),
        held("MDL_BACKUP_FTWRL2", 5, "Backup lock"),
        held("MDL_BACKUP_TRANS_DML", 6, "Backup lock"),
        held("MDL_INTENTION_EXCLUSIVE", 1, "Schema metadata lock"),
    ]
    assert [holder.connection for holder in read_locks(rows, wait, table)] == who


def suspect(connection: int, account: str, active: str) -> Row:
    return {"connection": str(connection), "account": account, "command": "Sleep", "seconds": "1", "active": active}


def test_suspects_are_those_at_work_and_never_repwatch() -> None:
    idle, own = suspect(1, "app@h", "0"), suspect(2, "repwatch@h", "1")
    busy = [suspect(number, "app@h", "1") for number in range(3, 12)]
    assert [holder.connection for holder in read_suspects([own, *busy, idle], "repwatch@")] == [3, 4, 5, 6, 7]
    assert [holder.connection for holder in read_suspects([own, idle], "repwatch@")] == [1]


def test_the_table_taken_last() -> None:
    rows = [
        {"thread": "4", "db": "a", "name": "t"},
        {"thread": "4", "db": "a", "name": "u"},
        {"thread": "5", "db": "b", "name": "v"},
    ]
    assert (read_tables(rows, 4), read_tables(rows, 9)) == ("a.u", "")


CELL = st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["44", "1e999", "nan", "TABLE", "EXCLUSIVE", "LOCK WAIT"]))
NAMES = ["waiter", "thread", "kind", "db", "name", "wanted", "held", "connection", "account", "command", "seconds", "stage"]


@given(st.lists(st.dictionaries(st.sampled_from([*NAMES, "statement", "trx_state", "trx_rows_modified"]), CELL), max_size=4))
def test_no_row_is_too_odd(rows: list[Any]) -> None:
    read_appliers(rows)
    read_holders(rows, 44)
    read_suspects(rows, "x@")
    read_tables(rows, 44)
    for wait in WaitKind:
        read_locks(rows, wait, "")

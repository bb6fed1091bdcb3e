"""What the servers' error texts tell: transaction, table; and what they must not tell on."""

import pytest

from repwatch.sql.status_texts import (
    duplicate_entry,
    failed_gtid,
    failed_place,
    failed_table,
    failed_worker,
    hide_secrets,
    relay_event_gtid,
)

UUID = "91f24ebd-e661-11f1-84c4-02fc00000001"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("Could not execute Write_rows_v1 event on table shop.orders; Duplicate entry '20' for key 'PRIMARY'", "shop.orders"),
        ("Could not execute Update_rows event on table shop.it's; Can't find record in 'it's', Error_code: 1032", "shop.it's"),
        ("Error executing row event: 'Table 'shop.orders' doesn't exist'", "shop.orders"),
        ("Error 'Table 'shop.orders' already exists' on query. Default database: 'shop'. Query: 'CREATE TABLE x'", "shop.orders"),
        ("Column 1 of table 'shop.orders' cannot be converted from type 'int' to type 'date'", "shop.orders"),
        ("a foreign key constraint fails (`shop`.`items`, CONSTRAINT `f` FOREIGN KEY (`o`) REFERENCES `o` (`i`))", "shop.items"),
        ("Error 'x' on query. Default database: ''. Query: 'insert into shop.orders values (1)'", "shop.orders"),
        ("Error 'x' on query. Default database: 'shop'. Query: 'insert ignore into `or``ders` values (1)'", "shop.or`ders"),
        ("Error 'x' on query. Default database: 'shop'. Query: 'UPDATE orders SET a = 1'", "shop.orders"),
        ("Error 'x' on query. Default database: 'a'. Query: 'DELETE FROM shop . orders WHERE 1'", "shop.orders"),
        ("Error 'Unknown column' on query. Default database: 'shop'. Query: 'ALTER TABLE orders DROP COLUMN x'", "shop.orders"),
        ("Error 'x' on query. Default database: 'shop'. Query: 'DROP TABLE IF EXISTS `orders`'", "shop.orders"),
        ("Error 'x' on query. Default database: 'shop'. Query: 'CREATE USER u'", ""),
        ("Error 'x' on query. Default database: ''. Query: 'UPDATE orders SET a = 1'", ""),
        ("Got fatal error 1236 from source when reading data from binary log", ""),
        ("", ""),
    ],
)
def test_the_table(text: str, table: str) -> None:
    assert failed_table(text) == table


@pytest.mark.parametrize(
    ("text", "gtid", "worker"),
    [
        (f"Worker 1 failed executing transaction '{UUID}:6' at source log binlog.000001, end_log_pos 1558", f"{UUID}:6", 1),
        (f"Worker 12 failed executing transaction '{UUID}:blue:6' at master log …", f"{UUID}:blue:6", 12),
        ("Worker 1 failed executing transaction 'ANONYMOUS' at source log binlog.000001", "", 1),
        ("Slave SQL: Error 'x' on query. …, Gtid 0-1-8, Internal MariaDB error code: 1062", "0-1-8", None),
        ("Could not execute Write_rows_v1 event on table shop.orders", "", None),
    ],
)
def test_the_transaction_and_the_worker(text: str, gtid: str, worker: int | None) -> None:
    assert (failed_gtid(text), failed_worker(text)) == (gtid, worker)


@pytest.mark.parametrize(
    ("info", "gtid"), [("BEGIN GTID 0-1-8", "0-1-8"), ("GTID 1-22-333", "1-22-333"), ("insert into t values (1)", ""), ("", "")]
)
def test_the_gtid_of_a_relay_event(info: str, gtid: str) -> None:
    assert relay_event_gtid(info) == gtid


@pytest.mark.parametrize(
    "text",
    [
        "Query: 'CREATE USER u IDENTIFIED BY 'hunter2''",
        "Query: 'ALTER USER u IDENTIFIED WITH mysql_native_password AS '*hunter2''",
        "Query: 'CREATE USER u IDENTIFIED BY PASSWORD '*hunter2''",
        "Query: 'SET PASSWORD FOR 'u'@'%' = 'hunter2''",
        "Query: 'SET PASSWORD = PASSWORD('hunter2')'",
        "Query: 'ALTER USER u IDENTIFIED VIA ed25519 USING 'hunter2''",
        "Query: 'CHANGE MASTER TO MASTER_PASSWORD='hunter2''",
        "Query: 'CREATE USER u IDENTIFIED BY 'hunter2",  # cut by the server
        "Query: 'CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD 'hunter2')'",
    ],
)
def test_passwords_in_statements_are_hidden(text: str) -> None:
    assert "hunter2" not in hide_secrets(text)
    assert hide_secrets(text).startswith("Query: '")


def test_other_text_stays() -> None:
    text = "Duplicate entry '1' for key 'password' on query. Query: 'insert into t values ('secret word')'"
    assert hide_secrets(text) == text


WORKER = (
    f"Worker 2 failed executing transaction '{UUID}:6' at source log binlog.000001, end_log_pos 1558; Could not execute "
    "Write_rows event on table shop.orders; Duplicate entry 'O'Neil-2' for key 'orders.name', Error_code: 1062; handler error "
    "HA_ERR_FOUND_DUPP_KEY; the event's source log FIRST, end_log_pos 0"
)
NOT_FOUND = (
    "Could not execute Update_rows_v1 event on table d.t; Can't find record in 't', Error_code: 1032; handler error "
    "HA_ERR_KEY_NOT_FOUND; the event's master log mysql-bin.000012, end_log_pos 919"
)


@pytest.mark.parametrize(
    ("text", "entry", "place"),
    [
        (WORKER, ("O'Neil-2", "orders.name"), ("binlog.000001", "1558")),
        (NOT_FOUND, None, ("mysql-bin.000012", "919")),
        ("the event's source log FIRST, end_log_pos 0", None, None),
    ],
)
def test_what_a_person_needs_to_find_the_row(text: str, entry: tuple[str, str] | None, place: tuple[str, str] | None) -> None:
    assert (duplicate_entry(text), failed_place(text)) == (entry, place)

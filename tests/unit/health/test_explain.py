"""Pasted text gives the findings that the service would make, and any text at all gives no traceback."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.explain import Explanation, explain
from repwatch.model.observation import ChannelObservation
from repwatch.model.server import Flavour
from repwatch.render.explain import explain_json, explain_text
from repwatch.sql.paste import PasteKind, parse
from tests.unit.sql.status_shapes import SHAPES, Row

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PASTED = Path(__file__).with_name("pasted")  # as the clients and servers of 10.11 and 9.7 printed them
SCHEMA = json.loads((Path(__file__).parents[3] / "repwatch/schemas/explain.schema.json").read_text(encoding="utf-8"))


def explained(text: str) -> tuple[Explanation, ...]:
    """What is made of it; both renderings can be made, and the JSON is as its schema says."""
    pasted = parse(text)
    found = explain(pasted, NOW) if pasted else ()
    if pasted:
        jsonschema.validate(json.loads(explain_json(pasted.kind, found)), SCHEMA)
        explain_text(pasted.kind, found).encode()
    return found


def channel_of(found: Explanation) -> ChannelObservation:
    """The channel that it is about."""
    assert found.channel is not None
    return found.channel


def codes(text: str) -> list[tuple[str, str, str | None]]:
    """(code, class of error, flavour) of every finding."""
    return [
        (finding.subject.code.value, finding.evidence.get("error_class", ""), each.flavour)
        for each in explained(text)
        for finding in each.findings
    ]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("mariadb-healthy.txt", "status", []),
        ("mariadb-duplicate.txt", "status", [("applier-error", "duplicate-key")]),
        ("mariadb-login.txt", "status", [("receiver-retrying", "login")]),
        ("mysql-duplicate.txt", "status", [("applier-error", "duplicate-key")]),
        ("mysql-receiver-stopped.txt", "status", [("receiver-stopped", "")]),
        ("mysql-source-down.txt", "status", [("applier-error", "duplicate-key"), ("receiver-retrying", "network")]),
        (
            "mariadb-replica1.log",
            "log",
            [("applier-error", "duplicate-key"), ("receiver-retrying", "network"), ("receiver-retrying", "network")],
        ),
        ("mysql-replica1.log", "log", [("applier-error", "duplicate-key"), ("receiver-retrying", "network")]),
        (
            "mysql-replica2.log",
            "log",
            [("receiver-retrying", "login"), ("receiver-retrying", "network"), ("receiver-retrying", "network")],
        ),
    ],
)
def test_what_real_servers_printed(name: str, kind: str, expected: list[tuple[str, str]]) -> None:
    text = (PASTED / name).read_text(encoding="utf-8")
    pasted = parse(text)
    assert pasted is not None
    assert pasted.kind == kind
    assert codes(text) == [(*each, name.partition("-")[0]) for each in expected]


def test_a_log_names_transaction_table_and_source() -> None:
    first, second = explained((PASTED / "mysql-replica1.log").read_text(encoding="utf-8"))
    assert first.findings[0].evidence["table"] == "w.t"
    assert first.findings[0].evidence["transaction"].endswith(":3")
    assert str(channel_of(second).source) == "127.0.0.1:25579"


def printed(row: Row) -> str:
    """As a client prints it with \\G."""
    lines = [f"{name:>30}: {'NULL' if value is None else value}" for name, value in row.items()]
    return "*************************** 1. row ***************************\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_version_is_understood(shape: str) -> None:
    stopped = {name: "No" if name.endswith("SQL_Running") else value for name, value in SHAPES[shape].items()}
    (found,) = explained(printed(stopped))
    assert [finding.subject.code for finding in found.findings] == ["applier-stopped"]
    assert found.flavour == shape.partition("-")[0]
    assert channel_of(found).name == "billing"
    assert channel_of(found).gtid_received == SHAPES[shape].get("Retrieved_Gtid_Set", "0-11-9")


def test_several_rows_are_several_channels_with_or_without_the_clients_headings() -> None:
    rows = [SHAPES["mariadb-10.5"] | {"Connection_name": name, "Slave_IO_Running": "No"} for name in ("a", "b")]
    text = "".join(printed(row) for row in rows)
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("*"))
    for each in (text, bare, "\n".join(f"> {line}" for line in text.splitlines())):
        assert [channel_of(found).name for found in explained(each)] == ["a", "b"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_status_without_g_is_understood_as_one_with_it(shape: str) -> None:
    row = SHAPES[shape] | {"Last_SQL_Errno": "1062", "Last_SQL_Error": "Error 'Duplicate\tentry'\non C:\\new"}
    escaped = {ord("\\"): "\\\\", ord("\n"): "\\n", ord("\t"): "\\t"}
    values = ["NULL" if value is None else value.translate(escaped) for value in row.values()]
    (found,) = explained("\n".join("\t".join(line) for line in (row, values, values[:-1])))
    pasted = parse("\n".join("\t".join(line) for line in (row, values)))
    assert pasted is not None
    assert [{name: value or "" for name, value in each.items()} for each in pasted.rows] == [
        {name: value or "" for name, value in row.items()}
    ]
    assert found.flavour == shape.partition("-")[0]
    assert channel_of(found).name == "billing"


def test_six_states_are_six_diagnoses() -> None:
    def of(**changed: str | None) -> list[str]:
        return [code for code, *_ in codes(printed(SHAPES["mysql-8.4"] | changed))]

    quiet = {"Seconds_Behind_Source": None}
    assert of(Replica_IO_Running="Connecting", **quiet) == ["receiver-retrying"]
    assert of(Replica_IO_Running="No", **quiet) == ["receiver-stopped"]
    assert of(**quiet) == ["lagging"]
    assert of(Replica_SQL_Running_State="Waiting for backup lock") == ["applier-blocked"]
    purged = {"Last_IO_Errno": "13114", "Last_IO_Error": "Got fatal error 1236 from source …: 'purged required binary logs'"}
    assert of(Replica_IO_Running="No", Seconds_Behind_Source="0", **purged) == ["binlog-purged", "receiver-error"]
    assert of(Replica_IO_Running="No", Source_Server_Id="0", **quiet) == ["receiver-stopped"]
    assert codes("mysql> SHOW REPLICA STATUS\\G\nEmpty set (0.00 sec)\n") == [("replication-missing", "", None)]


LOST = "2003: Error connecting to source 'repl@10.0.0.1:3306'. This was attempt {}, with a delay of 60 seconds between attempts."
NAMED_CONNECTION = (
    "2026-11-26  1:25:43 8 [ERROR] Master 'b': Slave SQL: Could not execute Update_rows_v1 event on table w.t; Can't find record "
    "in 't', Error_code: 1032; handler error HA_ERR_KEY_NOT_FOUND, Gtid 0-1-8, Internal MariaDB error code: 1032"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1062", [("applier-error", "duplicate-key", None)]),
        ("2003", [("receiver-retrying", "network", None)]),
        (LOST.format("9/10"), [("receiver-retrying", "network", "mysql")]),
        (LOST.format("1/9999999999").replace(" 60 ", " 9999999999 "), [("receiver-retrying", "network", "mysql")]),
        (LOST.format("10/10"), [("receiver-error", "network", "mysql")]),
        ("1396", [("applier-error", "schema", None)]),
        ("ERROR 1062 (23000): Duplicate entry '1' for key 'PRIMARY'", [("applier-error", "duplicate-key", None)]),
        ("Last_SQL_Errno: 1032", [("applier-error", "row-not-found", None)]),
        ("Last_IO_Errno: 65000", [("receiver-error", "other", None)]),
        (
            "13114: Got fatal error 1236 from source when reading data from binary log: 'the source purged required binary logs'",
            [("binlog-purged", "", "mysql"), ("receiver-error", "purged", "mysql")],
        ),
        (
            "Got fatal error 1236 from master when reading data from binary log: 'bogus data in log event'",
            [("receiver-error", "source-log", None)],
        ),
        ("4052", [("receiver-retrying", "duplicate-identity", "mariadb")]),
        ("ERROR 1966 (HY000)", [("applier-error", "setting", "mariadb")]),
        ("13117: Could not open log file", [("applier-error", "relay-log", "mysql")]),
        (
            NAMED_CONNECTION,
            [("applier-error", "row-not-found", "mariadb")],
        ),
    ],
)
def test_errors(text: str, expected: list[tuple[str, str, str | None]]) -> None:
    assert codes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "hello", "2026-11-26", "10.0.0.1", "65000", "1755", "MY-013117", "0", "*** 1. row ***", "Slave_IO_Running:"]
)
def test_what_is_not_understood(text: str) -> None:
    assert explained(text) == ()


NO_SPACE = {
    Flavour.MARIADB: "19:49:21 11 [ERROR] mariadbd: Disk is full writing './relay.000002' (Errcode: 28 \"No space left on "
    'device"). Waiting for someone to free space... (Expect up to 60 secs delay for server to continue after freeing disk space)',
    Flavour.MYSQL: "2026-11-26T19:49:21Z 0 [ERROR] [MY-012814] [InnoDB] Write to file ./ibdata1 failed at offset 12582912, "
    "1048576 bytes should have been written, only 0 were written. Operating system error number 28. Check that your OS and …",
}


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_log_tells_of_a_full_disk(flavour: Flavour) -> None:
    assert codes(f"something\n{NO_SPACE[flavour]}\n") == [("disk-full", "", flavour.value)]
    assert codes(f"{NAMED_CONNECTION}\n{NO_SPACE[flavour]}")[-1] == ("disk-full", "", flavour.value)
    (found,) = explained(NO_SPACE[flavour])
    assert found.findings[0].evidence == {"error": NO_SPACE[flavour]}


SAME_ID = (
    "2026-11-26 19:49:21 11 [Note] Master 'east': Slave I/O thread: connected to master 'repl@127.0.0.1:31937',replication …\n"
    "2026-11-26 19:49:21 11 [ERROR] Master 'east': Error reading packet from server: A slave with the same "
    "server_uuid/server_id {} (server_errno=4052)\n"
)


@pytest.mark.parametrize("end", ["as this slave has connected to the master", "is already connected; the first event '.' at 4"])
def test_two_replicas_with_one_server_id_are_told_of_where_the_log_of_mariadb_alone_does(end: str) -> None:
    (found,) = explained(SAME_ID.format(end) * 3)
    assert channel_of(found).name == "east"
    ((code, error_class, flavour),) = codes(SAME_ID.format(end))
    assert (code, error_class, flavour) == ("receiver-retrying", "duplicate-identity", "mariadb")
    (unnamed,) = explained(SAME_ID.format(end).replace("Master 'east': ", ""))
    assert channel_of(unnamed).name == ""


def test_a_connection_that_was_made_anew_is_not_told_of_beside_an_error() -> None:
    lost = "11 [ERROR] Error reading packet from server: Lost connection to server during query (server_errno=2013)"
    assert codes(f"{lost}\n{NAMED_CONNECTION}\n{lost}") == [("applier-error", "row-not-found", "mariadb")]


def test_an_error_alone_tells_no_state_of_a_thread() -> None:
    for found in explained("1062"):
        assert not found.whole
        assert found.findings
        assert all({"receiver", "applier", "source"}.isdisjoint(finding.evidence) for finding in found.findings)


def test_a_follow_up_is_told_only_where_nothing_else_is() -> None:
    line = "[ERROR] [MY-010584] [Repl] Replica SQL for channel '': it stopped, Error_code: MY-00{}"
    assert len(explained(line.format(1756))) == 1
    (found,) = explained(f"{line.format(1062)}\n{line.format(1756)}")
    assert found.findings[0].evidence["errno"] == "1062"


def test_no_password_of_a_statement_is_shown() -> None:
    text = (
        "Last_SQL_Errno: 1396\nLast_SQL_Error: Error 'x' on query. Query: 'CREATE USER u IDENTIFIED BY 's3cr3t''\n"
        "Slave_SQL_Running: No\nSlave_IO_Running: Yes\n"
    )
    for each in (text, text.replace("\nSlave", "\nother ")):
        assert "s3cr3t" not in explain_text(PasteKind.STATUS, explained(each))


NAMES = sorted({name for row in SHAPES.values() for name in row})
VALUES = st.text() | st.sampled_from(["Yes", "No", "Connecting", "NULL", "1062", "-1e300", "9" * 400])
LINES = st.one_of(
    st.builds("{}: {}".format, st.sampled_from(NAMES), VALUES),
    st.text(),
    st.from_regex(r"\[ERROR\] (Slave|Replica) (SQL|I/O)( for channel '.*')?: .* Error_code: (MY-)?[0-9]+"),
    st.just("*************************** 1. row ***************************"),
)


@given(st.lists(LINES, max_size=30).map("\n".join))
def test_no_text_makes_a_traceback(text: str) -> None:
    explained(text)


@pytest.mark.parametrize("flavour", list(Flavour))
@given(cut=st.integers(0, 4000))
def test_a_status_may_be_cut_anywhere(flavour: Flavour, cut: int) -> None:
    text = (PASTED / f"{flavour.value}-duplicate.txt").read_text(encoding="utf-8")
    explained(text[:cut])
    explained(text[cut:])

"""What a report says of the why: causes that the data shows, and a replica's own transactions, on real servers."""

import json
import subprocess
import sys

import pytest

from repwatch.drift.report import Cause, Errant, Guess, Side
from repwatch.render.drift_json import drift_json
from repwatch.sandbox import Account, Sandbox
from tests.server.drifting import drift_on, fill, of_replica, of_table, run_check


def test_causes_are_seen_in_what_the_servers_return(star: Sandbox, schema: str) -> None:
    """Each table of a replica is spoilt in one way."""
    definition = (
        "(id INT PRIMARY KEY, name VARCHAR(30) CHARACTER SET utf8mb4, city CHAR(9) CHARACTER SET utf8mb4, price DECIMAL(10,4), "
        "ratio DOUBLE, at DATETIME(3), stamp TIMESTAMP NULL, n INT UNSIGNED, status VARCHAR(9) NOT NULL DEFAULT 'new') "
    )
    rows = [
        f"({n}, 'Jörg {n}x', 'b{n}', {n * 7}.123, {n}e0 / 7, '2026-01-01 10:11:{n:02}.25', '2026-02-01 10:00:{n:02}', "
        f"{n * n}, 's{n}')"
        for n in range(1, 41)
    ]
    spoilt = {
        Cause.TIME_ZONE: ("at = at - INTERVAL 2 HOUR, stamp = stamp - INTERVAL 2 HOUR", ("at", "stamp")),
        Cause.LETTER_CASE: ("name = UPPER(name)", ("name",)),
        Cause.TRAILING_BLANKS: ("name = CONCAT(name, ' ')", ("name",)),
        Cause.CHARSET: ("name = CONVERT(CAST(name AS BINARY) USING latin1)", ("name",)),
        Cause.ONE_VALUE: ("status = 'X'", ("status",)),
        Cause.ROUNDING: ("price = ROUND(price, 1), ratio = ROUND(ratio, 5)", ("price", "ratio")),
        Cause.CONSTANT_OFFSET: ("n = n + 1", ("n",)),
    }
    for number, _ in enumerate(spoilt):
        star.source.sql(f"CREATE TABLE {schema}.t{number} {definition}")
        fill(star.source, f"{schema}.t{number}", rows)
    star.source.sql(f"CREATE TABLE {schema}.tail {definition}")
    fill(star.source, f"{schema}.tail", rows)
    star.wait_caught_up(60)
    server = star.replicas[0]
    for number, (change, _) in enumerate(spoilt.values()):
        drift_on(server, f"UPDATE {schema}.t{number} SET {change} WHERE id > 5")
    drift_on(server, f"DELETE FROM {schema}.tail WHERE id > 12")
    drift_on(star.replicas[1], f"DELETE FROM {schema}.tail WHERE id > 12 AND id < 40")
    report = run_check(star, f"{schema}.*")
    for number, (cause, (_, columns)) in enumerate(spoilt.items()):
        (found,) = of_table(report, server, f"t{number}").causes
        assert (found.cause, found.columns, found.rows, found.listed) == (cause, columns, 35, 35)
    (tail,) = of_table(report, server, "tail").causes
    assert (tail.cause, tail.columns, tail.value) == (Cause.MISSING_TAIL, ("at",), "2026-01-01 10:11:13.250")
    assert of_table(report, star.replicas[1], "tail").causes == ()  # the replica goes on behind the gap
    assert of_replica(report, server).errant is None  # sql_log_bin = 0 leaves no trace


def test_a_write_on_a_replica_is_named_with_its_tables(fresh_star: Sandbox) -> None:
    """An own transaction between replicated ones; the account of MySQL may not read the log, so tables need more there."""
    box = fresh_star
    box.source.sql(
        "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.`odd (name)` (id INT PRIMARY KEY)"
    )
    box.source.sql("INSERT INTO d.t VALUES (1, 1), (2, 1), (3, 1), (4, 1)")
    box.wait_caught_up(60)
    wrong, clean = box.replicas
    wrong.sql("SET SESSION binlog_format = ROW", "UPDATE d.t SET v = 5 WHERE id < 4", "INSERT INTO d.`odd (name)` VALUES (1)")
    box.source.sql("INSERT INTO d.t VALUES (9, 9)")
    box.wait_caught_up(60)
    mysql = box.source.flavour == "mysql"
    gtids = f"{wrong.sql('SELECT @@GLOBAL.server_uuid')[0][0]}:1-2" if mysql else "0-2-6"
    log = wrong.sql("SHOW BINARY LOGS")[-1][0] or ""
    found = of_replica(report := run_check(box), wrong)
    tables = ("d.t", "d.odd (name)")
    assert found.errant == (Errant(gtids=gtids) if mysql else Errant(gtids=gtids, tables=tables, log=log))
    assert json.loads(drift_json(report))["replicas"][0]["errant"] == gtids
    assert of_replica(report, clean).errant is None
    if mysql:
        wrong.sql("SET SESSION sql_log_bin = 0", f"GRANT REPLICATION SLAVE ON *.* TO '{Account.WATCH}'@'%'")
        assert of_replica(run_check(box), wrong).errant == Errant(gtids=gtids, tables=tables, log=log)
    (cause,) = of_table(report, wrong, "t").causes
    assert cause == Guess(cause=Cause.ONE_VALUE, columns=("v",), rows=3, listed=3, side=Side.REPLICA, value="5")
    wrong.sql("FLUSH BINARY LOGS")  # the newest log has nothing of it
    assert of_replica(run_check(box), wrong).errant == Errant(gtids=gtids, tables=tables, log=log)


@pytest.mark.long
def test_a_table_that_differs_in_each_row_is_counted_in_little_memory(star: Sandbox, schema: str) -> None:
    """200,000 differences: the list is cut, the count is exact, and nothing grows with it."""
    table, count = f"{schema}.big", 200_000
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT, pad CHAR(100))")
    fill(star.source, table, [f"({number}, 0, 'x')" for number in range(count)], 20_000)
    star.wait_caught_up(120)
    drift_on(star.replicas[0], f"UPDATE {table} SET v = 1")
    password = star.credentials.secret(Account.WATCH).text
    source, replica = (f"mysql://{Account.WATCH}:{password}@{server.address}" for server in star.servers[:2])
    program = (
        "import sys\nfrom repwatch.cli.main import main\ntry:\n    main()\nfinally:\n"
        "    print(*[line for line in open('/proc/self/status') if line.startswith('VmHWM')], file=sys.stderr)"
    )
    words = ["drift", "--source", source, "--replica", replica, "--tables", table, "--format", "json"]
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    (found,) = json.loads(ended.stdout)["replicas"][0]["tables"]
    kilobytes = ended.stderr.split()[-2]
    assert (ended.returncode, found["difference_count"], len(found["differences"])) == (1, count, 100)
    assert found["causes"] == [{"cause": "one-value", "columns": ["v"], "rows": 100}]
    assert int(kilobytes) < 100_000

"""A chain whose source and middle log a part of what they have: the end misses the rest, and the servers are content."""

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, plan
from tests.server.diagnosing import watching


def test_a_source_and_a_middle_that_leave_something_out(flavour: Flavour) -> None:
    word = "slave" if flavour is Flavour.MARIADB else "replica"
    options = (f"--log-{word}-updates=OFF", "--binlog-ignore-db=Left", "--binlog-ignore-db=out")
    with Sandbox.start(flavour, links=plan.chain(2), options=options) as box:
        box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
        with watching(box) as watcher:
            found = watcher.expect(("source", "unsafe-settings"), ("replica1", "unsafe-settings"))
        assert found["source", "unsafe-settings"].evidence == {"binlog_ignore_db": "Left,out"}
        assert list(found["replica1", "unsafe-settings"].evidence) == [f"log_{word}_updates", "binlog_ignore_db"]

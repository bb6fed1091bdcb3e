"""`reseed --method physical` on real MariaDB servers: the files of the source take the place of a broken replica's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.adapters.shell import HostShell
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Applied, Outcome
from repwatch.model.server import Flavour
from repwatch.reseed.method import Method
from repwatch.sandbox import Sandbox, SandboxServer
from tests.conftest import start
from tests.server.reseeding import break_with_1062, contents, healthy, make_everything, request, tools, writer

LOCAL = "SET SESSION sql_log_bin = 0"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A source and a replica of this module's own: system schemas are replaced, and servers stopped."""
    with start(Flavour.MARIADB, replicas=1) as made:
        made.source.sql("CREATE DATABASE shop CHARACTER SET utf8mb4")
        make_everything(made, "shop")
        made.source.sql("CREATE TABLE shop.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
        made.wait_caught_up(60)
        yield made


def physical(box: Sandbox) -> ReseedRequest:
    return request(box, box.replicas[0], login=True, method=Method.PHYSICAL)


def reseed(asked: ReseedRequest, folder: Path) -> Applied:
    plan = plan_reseed(asked, Session.connect, HostShell()).plan
    assert plan.refusals == ()
    return apply_reseed(asked, replace(tools(folder), shell=HostShell()), plan.plan_hash)


def beside(server: SandboxServer) -> list[str]:
    """What was left beside the data folder."""
    return sorted(path.name for path in server.folder.iterdir() if "repwatch" in path.name)


def test_a_broken_replica_ends_identical_and_replicating(box: Sandbox, tmp_path: Path) -> None:
    replica = box.replicas[0]
    box.source.sql(
        "CREATE TABLE shop.plain_files (id INT PRIMARY KEY) ENGINE=MyISAM",
        "INSERT INTO shop.plain_files VALUES (1)",
        "CREATE TABLE shop.versioned (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
        "INSERT INTO shop.versioned VALUES (1, 1)",
        "UPDATE shop.versioned SET v = 2",
    )
    box.wait_caught_up(60)
    replica.sql("SET GLOBAL event_scheduler = ON")
    break_with_1062(box, replica, "shop.busy", 1_000)
    replica.sql(LOCAL, "CREATE DATABASE extra", "DELETE FROM shop.child", "CREATE USER lost@localhost")
    ((server_id, threads),) = replica.sql("SELECT @@GLOBAL.server_id, @@GLOBAL.table_open_cache")
    with writer(box, "INSERT INTO shop.busy (v) VALUES (1)", "UPDATE shop.busy SET v = v + 1 ORDER BY id DESC LIMIT 5"):
        applied = reseed(physical(box), tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(box, replica)
    assert contents(replica, "shop") == contents(box.source, "shop")
    assert ("extra",) not in replica.sql("SHOW DATABASES")
    assert replica.sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'lost'") == [("0",)]
    assert replica.sql("SELECT @@GLOBAL.server_id, @@GLOBAL.table_open_cache") == [(server_id, threads)]
    assert replica.sql("SELECT v FROM shop.versioned FOR SYSTEM_TIME ALL ORDER BY v") == [("1",), ("2",)]
    statuses = replica.sql("SELECT STATUS FROM information_schema.EVENTS ORDER BY EVENT_NAME DESC")
    assert statuses == [("SLAVESIDE_DISABLED",), ("DISABLED",)]
    assert beside(replica) == []
    replica.stop()
    replica.start()
    box.source.sql("INSERT INTO shop.parent (name) VALUES ('after')", "DROP TABLE shop.plain_files, shop.versioned")
    box.wait_caught_up(60)
    assert contents(replica, "shop") == contents(box.source, "shop")

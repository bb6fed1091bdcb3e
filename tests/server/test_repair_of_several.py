"""Tables of a replica of two sources: rows that the other source has brought are neither drift nor deleted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.drift.report import DriftReport, Reason, TableReport, Verdict
from repwatch.flows.repair import RepairRequest
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sandbox.plan import SOURCE, multi_source
from tests.server.repairing import by_hand, plan, repair, request
from tests.server.reseeding import writer
from tests.server.test_drift_topologies import check_all, in_report

OWN = {SOURCE: "one", "source2": "two"}


@pytest.fixture
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """The odd rows of `both_of_them.t` come through the channel `first`, the even ones through `second`."""
    with Sandbox.start(flavour, links=multi_source()) as box:
        for number, (name, own) in enumerate(OWN.items(), 1):
            box.server(name).sql(
                f"CREATE DATABASE {own}",
                f"CREATE TABLE {own}.t (id INT PRIMARY KEY, v INT)",
                f"INSERT INTO {own}.t VALUES (1, 1), (2, 2)",
                "CREATE DATABASE IF NOT EXISTS both_of_them",
                "CREATE TABLE IF NOT EXISTS both_of_them.t (id INT PRIMARY KEY)",
                f"INSERT INTO both_of_them.t VALUES ({number}), ({number + 2})",
            )
        box.wait_caught_up(60)
        yield box


def asked(box: Sandbox, *tables: str) -> RepairRequest:
    (replica,) = box.replicas
    target = ReplicaTarget(server=replica.spec(), channel="first")
    return replace(request(box, replica, *tables), replica=target, others=(box.server("source2").spec(),))


def refused(asked: RepairRequest, folder: Path) -> list[str]:
    return [refusal.code for refusal in plan(asked, folder).plan.refusals]


def of_table_of(report: DriftReport, replica: SandboxServer, channel: str) -> TableReport:
    (found,) = (table for table in in_report(report, replica, channel).tables if table.schema == "both_of_them")
    return found


def shown(found: TableReport) -> tuple[Verdict, Reason | None, int]:
    return found.verdict, found.reason, found.difference_count


def test_rows_of_another_source_are_not_deleted(box: Sandbox, tmp_path: Path) -> None:
    (replica,) = box.replicas
    clean = check_all(box)
    assert clean.verdict is Verdict.UNDECIDED
    open_ = (Verdict.UNDECIDED, Reason.SEVERAL_SOURCES, 0)
    assert [shown(of_table_of(clean, replica, channel)) for channel in ("first", "second")] == [open_, open_]
    shared, own = asked(box, "both_of_them.*"), asked(box, "one.*")
    assert refused(shared, tmp_path) == ["other-channels"]
    by_hand(replica, "UPDATE one.t SET v = 9 WHERE id = 2", "INSERT INTO one.t VALUES (3, 3)")
    assert refused(replace(own, others=()), tmp_path) == ["other-channels"]
    by_hand(replica, "DELETE FROM both_of_them.t WHERE id = 1")
    wrong = check_all(box)
    assert shown(of_table_of(wrong, replica, "first")) == (Verdict.DRIFTED, Reason.SEVERAL_SOURCES, 1)
    assert shown(of_table_of(wrong, replica, "second")) == open_
    with writer(box, "UPDATE two.t SET v = v + 1", server=box.server("source2")):
        applied = repair(own, tmp_path)
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical"), applied.text
    assert replica.sql("SELECT * FROM one.t ORDER BY id") == [("1", "1"), ("2", "2")]

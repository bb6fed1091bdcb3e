"""`repwatch` with one fault in it: `python sabotaged.py FAULT VERB …` runs the real command, broken in that one way.

The demo runs it in place of `repwatch`; it has to notice each fault.
"""

import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from repwatch.drift.report import ChangedRow, DriftReport, ExtraRow, ReplicaReport, TableReport, Verdict
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.view import State, View
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Thread

SLACK = ("repwatch.adapters.slack", "SlackBot.send")
MAIL = ("repwatch.adapters.smtp", "SmtpNotifier.send")
CHECK = ("repwatch.app.checking", "check")
Function = Callable[..., Any]


def swallow(send: Function) -> Function:
    """Say that it was delivered, and do nothing."""
    return lambda self, notice, thread: Delivery(outcome=DeliveryOutcome.DELIVERED, thread=thread)


def swallow_end(send: Function) -> Function:
    """Never tell that it is over."""

    def broken(self: object, notice: Notice, thread: Thread) -> Delivery:
        if notice.event is NoticeEvent.RESOLVED:
            return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=thread)
        delivery: Delivery = send(self, notice, thread)
        return delivery

    return broken


def dawdle(send: Function) -> Function:
    """Tell it too late."""

    def broken(self: object, notice: Notice, thread: Thread) -> Delivery:
        time.sleep(60)
        delivery: Delivery = send(self, notice, thread)
        return delivery

    return broken


def repeat(send: Function) -> Function:
    """Tell it twice."""

    def broken(self: object, notice: Notice, thread: Thread) -> Delivery:
        send(self, replace(notice, id=f"{notice.id}-again"), {})
        delivery: Delivery = send(self, notice, thread)
        return delivery

    return broken


def hide_transaction(send: Function) -> Function:
    """Leave out which transaction it was."""

    def broken(self: object, notice: Notice, thread: Thread) -> Delivery:
        kept = {name: value for name, value in notice.evidence.items() if name in {"errno", "table"}}
        delivery: Delivery = send(self, replace(notice, evidence=kept), thread)
        return delivery

    return broken


def hide_warning(send: Function) -> Function:
    """Leave out what not to do."""

    def broken(self: object, notice: Notice, thread: Thread) -> Delivery:
        delivery: Delivery = send(self, replace(notice, avoid=""), thread)
        return delivery

    return broken


def in_report(change: Callable[[TableReport], TableReport]) -> Callable[[Function], Function]:
    """Change each drifted table of the report."""

    def in_replica(replica: ReplicaReport) -> ReplicaReport:
        tables = tuple(change(table) if table.verdict is Verdict.DRIFTED else table for table in replica.tables)
        return replace(replica, tables=tables)

    def wrap(check: Function) -> Function:
        def broken(*arguments: object, **options: object) -> DriftReport:
            report: DriftReport = check(*arguments, **options)
            return replace(report, replicas=tuple(map(in_replica, report.replicas)))

        return broken

    return wrap


def ignore_row(table: TableReport) -> TableReport:
    """One wrong row is not named."""
    return replace(table, differences=table.differences[1:], difference_count=table.difference_count - 1)


def invent_row(table: TableReport) -> TableReport:
    """One right row is called wrong."""
    false = ExtraRow(key={"id": "1"}, row={"id": "1"})
    return replace(table, differences=(*table.differences, false), difference_count=table.difference_count + 1)


def misname_column(table: TableReport) -> TableReport:
    """Another column is named."""
    wrong = (
        replace(each, columns={"total": next(iter(each.columns.values()))}) if isinstance(each, ChangedRow) else each
        for each in table.differences
    )
    return replace(table, differences=tuple(wrong))


def call_identical(check: Function) -> Function:
    """Whatever was found, it is identical."""

    def broken(*arguments: object, **options: object) -> DriftReport:
        report: DriftReport = check(*arguments, **options)
        replicas = tuple(replace(replica, verdict=Verdict.IDENTICAL, tables=()) for replica in report.replicas)
        return replace(report, verdict=Verdict.IDENTICAL, replicas=replicas)

    return broken


def forget_change(write: Function) -> Function:
    """Repair leaves out one row."""

    def broken(db: object, planned: Any, packet: int) -> int:
        count: int = write(db, [replace(table, changes=table.changes[1:]) for table in planned], packet)
        return count

    return broken


def lose_copied_row(load: Function) -> Function:
    """Reseed loses a row on the way."""

    def broken(job: Any) -> object:
        loaded: object = load(job)
        job.writer.execute("DELETE FROM shop.orders WHERE id = 7")
        return loaded

    return broken


def all_is_well(current_view: Function) -> Function:
    """`status` sees nothing wrong."""

    def broken(*arguments: object) -> View:
        view: View = current_view(*arguments)
        return replace(view, state=State.OK)

    return broken


def empty_page(tree: Function) -> Function:
    """The page shows no server."""
    return lambda cluster: ()


FAULTS: dict[str, tuple[tuple[str, str], Callable[[Function], Function]]] = {
    "slack-swallowed": (SLACK, swallow),
    "mail-swallowed": (MAIL, swallow),
    "mail-late": (MAIL, dawdle),
    "mail-doubled": (MAIL, repeat),
    "transaction-hidden": (SLACK, hide_transaction),
    "warning-hidden": (MAIL, hide_warning),
    "slack-resolution-swallowed": (SLACK, swallow_end),
    "mail-resolution-swallowed": (MAIL, swallow_end),
    "row-ignored": (CHECK, in_report(ignore_row)),
    "row-invented": (CHECK, in_report(invent_row)),
    "column-misnamed": (CHECK, in_report(misname_column)),
    "called-identical": (CHECK, call_identical),
    "repair-incomplete": (("repwatch.flows.repair_rows", "write_rows"), forget_change),
    "reseed-incomplete": (("repwatch.flows.reseed_load", "load"), lose_copied_row),
    "status-lies": (("repwatch.cli.status", "current_view"), all_is_well),
    "page-empty": (("repwatch.web.server", "tree"), empty_page),
}


def sabotage(fault: str) -> None:
    """Put the fault in."""
    (module, path), wrap = FAULTS[fault]
    *outer, name = path.split(".")
    place: Any = importlib.import_module(module)
    for each in outer:
        place = getattr(place, each)
    setattr(place, name, wrap(getattr(place, name)))


if __name__ == "__main__":
    sabotage(sys.argv[1])
    del sys.argv[1]
    from repwatch.cli.main import main

    main()

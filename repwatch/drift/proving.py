"""What was proved when, and what is to be proved next so that every table is proved within a time."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from repwatch.drift.report import DriftReport, Reason, ReplicaReport, TableReport, Verdict
from repwatch.drift.resume import KEPT_FOR
from repwatch.drift.summary import full_name
from repwatch.model.topology import ServerSpec

EAGER: Final = 0.5  # a table is proved again after this share of the time allowed, so that there is room for bad nights
_AGAIN: Final = 0.1  # one that an attempt did not prove waits for this share of the time allowed, ...
_AGAIN_LEAST: Final = timedelta(hours=1)  # ... and so long at least
_UNKNOWN_SECONDS: Final = 1.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProof:
    """What is known of one table on one replica.

    `proved`: when the last check that left nothing to prove of it began, or the earlier one from which that went on.
    """

    server: str
    channel: str
    table: str
    since: datetime  # when it was first seen by a check
    checked: datetime  # when its last check began that was not cut off; long ago where none was
    verdict: Verdict  # of the last check that decided; undecided where none did
    proved: datetime | None = None

    @property
    def last_proved(self) -> datetime:
        """When it was last proved; long ago where it never was."""
        return self.proved or _EPOCH

    def overdue_at(self, now: datetime, within: timedelta) -> bool:
        """True if it should have been proved by now."""
        return (self.proved or self.since) < now - within


def after_check(known: Iterable[TableProof], report: DriftReport) -> tuple[TableProof, ...]:
    """The tables of a report, with what was known of them before."""
    before = {(proof.server, proof.channel, proof.table): proof for proof in known}
    found = []
    for replica in report.replicas:
        for table in replica.tables:
            name = full_name(table)
            old = before.get((replica.server, replica.channel, name))
            identical = table.verdict is Verdict.IDENTICAL
            undecided = table.verdict is Verdict.UNDECIDED
            found.append(
                TableProof(
                    server=replica.server,
                    channel=replica.channel,
                    table=name,
                    since=old.since if old else report.started,
                    checked=_tried(old) if table.reason is Reason.STOPPED else report.started,
                    verdict=old.verdict if old and undecided else table.verdict,
                    proved=(table.since or report.started) if identical else (old.proved if old else None),
                )
            )
        found += [_nothing_to_prove(replica, name, report.started) for name in replica.not_replicated]
    return tuple(found)


def _tried(old: TableProof | None) -> datetime:
    """The last attempt before a check that was ended before it got to the table, or through it: that one does not count."""
    return old.checked if old else _EPOCH


def of_servers(proofs: Iterable[TableProof], servers: Iterable[ServerSpec]) -> tuple[TableProof, ...]:
    """The proofs on the servers that there are; those of a server that is no longer configured are nobody's concern."""
    addresses = {str(server.endpoint.address) for server in servers}
    return tuple(proof for proof in proofs if proof.server in addresses)


def with_last_proved(report: DriftReport, proofs: Iterable[TableProof]) -> DriftReport:
    """The report with the time at which each table that is not identical was last proved so; `proofs` of before."""
    proved = {(proof.server, proof.channel, proof.table): proof.proved for proof in proofs}

    def told(replica: ReplicaReport, table: TableReport) -> TableReport:
        known = proved.get((replica.server, replica.channel, full_name(table)))
        return table if known is None or table.verdict is Verdict.IDENTICAL else replace(table, last_proved=known)

    replicas = (replace(replica, tables=tuple(told(replica, table) for table in replica.tables)) for replica in report.replicas)
    return replace(report, replicas=tuple(replicas))


def kept_for(within: timedelta | None) -> timedelta:
    """How old what was read before an interruption may be to count in the check that goes on.

    A table's proof is as old as its oldest piece, and is due again after `EAGER` of the time: what is older helps nobody. So a
    table that takes longer than one window is proved over several.
    """
    return KEPT_FOR if within is None else within * EAGER


def _nothing_to_prove(replica: ReplicaReport, table: str, started: datetime) -> TableProof:
    """Of a table that is not replicated there: to be looked at again when the time is up."""
    return TableProof(
        server=replica.server,
        channel=replica.channel,
        table=table,
        since=started,
        checked=started,
        verdict=Verdict.UNDECIDED,
        proved=started,
    )


def due_tables(tables: Iterable[str], proofs: Collection[TableProof], now: datetime, within: timedelta) -> tuple[str, ...]:
    """The tables that should be proved now: what was not tried for longest comes first, so that none keeps others waiting.

    An attempt counts, whatever came of it: a table that it did not prove everywhere (one replica is down) waits a while.
    """
    patience = min(max(within * _AGAIN, _AGAIN_LEAST), within * EAGER)
    of_table: dict[str, list[TableProof]] = {}
    for proof in proofs:
        of_table.setdefault(proof.table, []).append(proof)
    ranked = []
    for table in tables:
        known = of_table.get(table, [])
        proved = min((proof.last_proved for proof in known), default=_EPOCH)
        tried = max((proof.checked for proof in known), default=_EPOCH)
        if proved <= now - within * EAGER and tried <= now - patience:
            ranked.append((tried, proved, table))
    return tuple(table for _, _, table in sorted(ranked))


def overdue(proofs: Iterable[TableProof], now: datetime, within: timedelta) -> tuple[TableProof, ...]:
    """What should have been proved by now, the longest unproved first."""
    late = [proof for proof in proofs if proof.overdue_at(now, within)]
    return tuple(sorted(late, key=lambda proof: (proof.last_proved, proof.table)))


def in_window(windows: Sequence[str], now: datetime) -> bool:
    """True if checks may run now. `windows` are spans such as `22:00-06:00`, UTC, over midnight if need be; none: always."""
    return not windows or any(_covers(window, f"{now.astimezone(UTC):%H:%M}") for window in windows)


def _covers(window: str, clock: str) -> bool:
    start, _, end = window.partition("-")
    return start <= clock < end if start < end else clock >= start or clock < end

"""The second part of a look, at appliers that have work and did not get on since the look before: why not."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from repwatch.model.applier import ApplierWork, Holder, WaitKind
from repwatch.model.backlog import has_work
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.server import ServerVersion
from repwatch.sql import status_applier as statements
from repwatch.sql.applier_rows import (
    ApplierThread,
    read_appliers,
    read_holders,
    read_locks,
    read_suspects,
    read_tables,
)
from repwatch.sql.status_columns import RawRow, StatusRow

Ask = Callable[[str], Sequence[RawRow]]
"""Sends a statement; no rows where it is refused."""


def with_work(
    channels: Sequence[ChannelObservation], before: Observation | None, version: ServerVersion, account: str, ask: Ask
) -> tuple[ChannelObservation, ...]:
    """The channels, with the work of appliers that stand where the look before found them; it costs nothing where none does."""
    stuck = [channel for channel in channels if _is_stuck(channel, before, version)]
    if not stuck:
        return tuple(channels)
    threads = read_appliers(ask(statements.appliers(version)))
    found = {channel.name: _of_channel(channel, stuck, threads, version) for channel in stuck}
    works = {name: _Applier(thread, version, account, ask).work() for name, thread in found.items() if thread is not None}
    return tuple(replace(channel, work=works.get(channel.name)) for channel in channels)


def _is_stuck(channel: ChannelObservation, before: Observation | None, version: ServerVersion) -> bool:
    if channel.applier is not ThreadState.RUNNING or not has_work(version.flavour, channel):
        return False
    known = {each.name: each for each in before.channels} if before else {channel.name: channel}
    last = known.get(channel.name)
    return last is not None and (last.gtid_executed, last.applied_log) == (channel.gtid_executed, channel.applied_log)


def _of_channel(
    channel: ChannelObservation, stuck: Sequence[ChannelObservation], threads: Sequence[ApplierThread], version: ServerVersion
) -> ApplierThread | None:
    """The channel's thread that says most. Of several stuck MariaDB connections nobody can tell whose a thread is."""
    if version.is_mariadb and len(stuck) > 1:
        threads = [thread for thread in threads if thread.stage == channel.applier_text]
        return threads[0] if len(threads) == 1 else None
    return next((thread for thread in threads if version.is_mariadb or thread.channel == channel.name), None)


class _Applier:
    def __init__(self, thread: ApplierThread, version: ServerVersion, account: str, ask: Ask) -> None:
        self._thread = thread
        self._version = version
        self._account = account
        self._ask = ask

    def work(self) -> ApplierWork:
        thread = self._thread
        holders, table, certain = self._holders(thread.wait) if thread.wait else ((), "", True)
        table = table or thread.table or self._used_table()
        return ApplierWork(
            connection=thread.connection,
            stage=thread.stage,
            wait=thread.wait,
            holders=holders,
            certain=certain,
            table=table,
            keyless=bool(table) and thread.wait is None and thread.in_row_event and self._is_keyless(table),
            statement=thread.statement,
            rows_changed=thread.rows_changed,
        )

    def _holders(self, wait: WaitKind) -> tuple[tuple[Holder, ...], str, bool]:
        thread = self._thread
        if wait is WaitKind.ROW_LOCK:
            holders, table = read_holders(self._ask(statements.row_locks(self._version, [thread.connection])), thread.connection)
            return holders, table, True
        if not self._version.is_mariadb:
            holders, table = read_holders(self._ask(statements.metadata_locks([thread.thread])), thread.thread)
            return holders, table, True
        if self._has_plugin():
            return read_locks(self._ask(statements.MARIADB_METADATA_LOCKS), wait, thread.table), "", True
        return read_suspects(self._ask(statements.MARIADB_SUSPECTS), self._account), "", False

    def _has_plugin(self) -> bool:
        rows = self._ask(statements.METADATA_LOCK_PLUGIN)
        return bool(rows) and "1" in rows[0].values()

    def _used_table(self) -> str:
        return (
            ""
            if self._version.is_mariadb
            else read_tables(self._ask(statements.used_tables([self._thread.thread])), self._thread.thread)
        )

    def _is_keyless(self, table: str) -> bool:
        rows = self._ask(statements.unique_keys(table))
        return bool(rows) and StatusRow({"keys": next(iter(rows[0].values()), None)}).number("keys") == 0

"""Rows of the status statements into observations. Pure, by column name; whatever is missing, NULL or odd becomes "unknown"."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from repwatch.model.gtid import MariadbPosition
from repwatch.model.observation import (
    Attempts,
    BinlogFiles,
    ChannelObservation,
    Lag,
    LagBasis,
    NoSpace,
    Pulse,
    ThreadError,
    ThreadState,
)
from repwatch.model.server import Address
from repwatch.sql.replication import HOLD_DELAY
from repwatch.sql.status_columns import RawRow, StatusRow
from repwatch.sql.status_texts import (
    attempt_number,
    attempts,
    failed_gtid,
    failed_table,
    failed_worker,
    hide_secrets,
    thread_wait,
)

# 1964 (MariaDB), 3030 (MySQL): a worker gave up because an earlier transaction failed. 1756 (MySQL): the coordinator, about
# its workers.
POINTS_ELSEWHERE = frozenset({1964, 1756, 3030})
_ENCRYPTION_HEADER = 512  # bytes of a file that no position counts (MySQL manual, "SHOW BINARY LOGS")
_MOST_ATTEMPTS = 2**32  # more than either manual lets anybody set
_LONGEST_PERIOD = 4294967.0  # seconds; both manuals (CHANGE MASTER, CHANGE REPLICATION SOURCE) give it as the most
# Group replication runs these two by itself; the second is stopped in good health.
_NOT_OURS = {"group_replication_applier", "group_replication_recovery"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The variables of a server."""

    server_id: int
    server_uuid: str
    read_only: bool
    log_bin: bool
    half_loaded: bool
    gtid_executed: str
    gtid_applied: str  # the part that came by replication, where the flavour tells (MariaDB)
    performance_schema: bool
    instance: str
    gtid_purged: str = ""  # MySQL
    binlog_keep: timedelta | None = None
    binlog_most: int | None = None  # bytes (MariaDB)
    purge_clients: int = 0  # MariaDB
    gtid_binlog: str = ""  # the position that its binary logs have come to (MariaDB)
    gtid_logged: str = ""  # what its binary logs have had (MariaDB)
    now: datetime | None = None  # by its own clock, when it began to answer


def read_identity(row: RawRow) -> Identity:
    """Translate the row of variables.

    `read_only` is true where ordinary accounts cannot write: super_read_only implies it, and MariaDB 12 knows
    NO_LOCK and NO_LOCK_NO_ADMIN beside ON.
    """
    values = StatusRow(row)
    applied = values.text("gtid_replica_pos")
    return Identity(
        server_id=values.whole("server_id"),
        server_uuid=values.text("server_uuid").lower(),
        read_only=values.is_on("read_only") or values.is_on("super_read_only"),
        log_bin=values.is_on("log_bin"),
        half_loaded=values.is_on("half_loaded"),
        gtid_executed=values.text("gtid_executed").replace("\n", "") or _union(applied, values.text("gtid_binlog_pos")),
        gtid_applied=applied,
        gtid_binlog=values.text("gtid_binlog_pos"),
        gtid_logged=values.text("gtid_binlog_state"),
        performance_schema=values.is_on("performance_schema"),
        gtid_purged=values.text("gtid_purged").replace("\n", ""),
        binlog_keep=_keep(values.number("keep_seconds")),
        binlog_most=_bytes(values.number("keep_bytes")) or None,
        purge_clients=values.whole("purge_clients"),
        now=values.time("now_utc"),
        instance=f"{values.text('hostname')}:{values.text('port')} {values.text('datadir')}",
    )


def _keep(seconds: float | None) -> timedelta | None:
    """For how long binary logs are kept; 0 is for ever."""
    return timedelta(seconds=min(seconds, _LONGEST_PERIOD)) if seconds and seconds > 0 else None


_SETTLED = timedelta(seconds=22)
"""Of a line: two looks at the log later. What the first of them took for the last transaction may be older than the line."""


def read_no_space(rows: Iterable[RawRow], now: datetime, executed: str, known: NoSpace | None) -> NoSpace | None:
    """The last write for which there was no space; None if there was none. `executed` is the server's now."""
    row = StatusRow(next(iter(rows), {}))
    age, text = row.number("age"), hide_secrets(row.text("told"))
    if age is None:
        return None
    at, stuck_at = now - timedelta(seconds=age), executed if row.is_on("waits") else None
    old = age > _SETTLED.total_seconds()
    if old and known is not None and known.text == text and abs(at - known.at) < timedelta(seconds=5):
        stuck_at = known.stuck_at
    return NoSpace(at=at, text=text, stuck_at=stuck_at)


def read_oldest_log(rows: Iterable[RawRow]) -> str:
    """The position before the oldest binary log of a MariaDB server: what comes no later is gone. "" is nothing, or not known."""
    listed = (row.text("info") for row in map(StatusRow, rows) if row.text("event_type").lower() == "gtid_list")
    return next(listed, "").strip("[]").replace("\n", "").replace(" ", "")


def read_log_files(rows: Iterable[RawRow], asked: datetime, before: BinlogFiles | None) -> BinlogFiles:
    """Translate SHOW BINARY LOGS; what was written since `before` tells the rate, unless all of that is gone already."""
    sizes = tuple((row.text("log_name"), _size(row)) for row in map(StatusRow, rows))
    return BinlogFiles(asked=asked, before=before.asked if before else None, sizes=sizes, rate=_rate(sizes, asked, before))


def _size(row: StatusRow) -> int:
    """The position at which a file ends."""
    size = _bytes(row.number("file_size")) or 0
    return max(0, size - _ENCRYPTION_HEADER) if row.is_on("encrypted") else size


def _rate(sizes: Sequence[tuple[str, int]], asked: datetime, before: BinlogFiles | None) -> float | None:
    took = (asked - before.asked).total_seconds() if before else 0.0
    if before is None or took <= 0 or not before.sizes:
        return None
    last, written = before.sizes[-1]
    names = [name for name, _ in sizes]
    if last not in names:
        return None
    return max(0, sum(size for _, size in sizes[names.index(last) :]) - written) / took


def _union(applied: str, logged: str) -> str:
    """What a MariaDB server has executed: what it applied, and what it logged (its own transactions, and with
    log_slave_updates the applied ones again). gtid_current_pos would leave out own ones of an earlier server_id."""
    try:
        return str(MariadbPosition.parse(applied).union(MariadbPosition.parse(logged)))
    except ValueError:
        return applied


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One applier worker: its last error, and what it applies now."""

    channel: str
    number: int | None
    error: ThreadError | None
    transaction: str
    applying_seconds: float | None  # since the transaction it applies was committed on the source; None if it applies none


def read_workers(rows: Iterable[RawRow]) -> tuple[Worker, ...]:
    """Translate performance_schema.replication_applier_status_by_worker of any version."""
    return tuple(_worker(StatusRow(row)) for row in rows)


def _worker(row: StatusRow) -> Worker:
    number = int(row.whole("worker_id")) if row.text("worker_id") else None
    # 5.7 and MariaDB name it LAST_SEEN: the last one that the worker took up.
    transaction = row.text("applying_transaction", "last_seen_transaction")
    committed, now = row.time("applying_transaction_immediate_commit_timestamp"), row.time("now_utc")
    applying = row.text("applying_transaction") and row.is_on("service_state") and committed and now
    return Worker(
        channel=row.text("channel_name"),
        number=number,
        error=_error(row, "last_error_number", "last_error_message", at=row.time("last_error_timestamp"), worker=number),
        transaction="" if transaction.upper() == "ANONYMOUS" else transaction,
        applying_seconds=(now - committed).total_seconds() if applying and now and committed else None,
    )


def read_pulses(rows: Iterable[RawRow]) -> Mapping[str, Pulse]:
    """Channel name -> pulse, from performance_schema.replication_connection_status; MariaDB has it in the status row."""
    values = [StatusRow(row) for row in rows]
    return {row.text("channel_name"): _pulse(row, "count_received_heartbeats", "heartbeat_interval") for row in values}


def _pulse(row: StatusRow, heartbeats: str, period: str) -> Pulse:
    count = row.number(heartbeats)
    seconds = min(max(row.number(period) or 0.0, 0.0), _LONGEST_PERIOD)
    return Pulse(
        heartbeats=None if count is None else int(count),
        period=timedelta(seconds=seconds),
        last_commit=row.time("last_commit"),
    )


def read_channels(
    rows: Iterable[RawRow], identity: Identity, workers: Sequence[Worker] = (), pulses: Mapping[str, Pulse] | None = None
) -> tuple[ChannelObservation, ...]:
    """Translate SHOW [ALL] REPLICA STATUS of any version. Rows without a source are no channels."""
    channels = (_channel(row, identity, [worker for worker in workers if worker.channel == _name(row)]) for row in _ours(rows))
    return tuple(replace(channel, pulse=(pulses or {}).get(channel.name, channel.pulse)) for channel in channels)


def has_channels(rows: Iterable[RawRow]) -> bool:
    """True if `read_channels` would find any."""
    return any(True for _ in _ours(rows))


def _ours(rows: Iterable[RawRow]) -> Iterator[StatusRow]:
    values = (StatusRow(row) for row in rows)
    return (row for row in values if row.text("source_host") and _name(row) not in _NOT_OURS)


def _name(row: StatusRow) -> str:
    return row.text("channel_name", "connection_name")


def _channel(row: StatusRow, identity: Identity, workers: Sequence[Worker]) -> ChannelObservation:
    receiver = row.thread("replica_io_running")
    applier = row.thread("replica_sql_running")
    error, worker = _applier_error(row, workers)
    text = error.text if error else ""
    return ChannelObservation(
        name=_name(row),
        source=Address(row.text("source_host"), row.whole("source_port") or 3306),
        source_server_id=row.whole("source_server_id"),
        source_uuid=row.text("source_uuid").lower(),
        receiver=receiver,
        applier=applier,
        receiver_text=row.text("replica_io_state"),
        applier_text=row.text("replica_sql_running_state", "replica_sql_state"),
        receiver_wait=thread_wait(row.text("replica_io_state")),
        pulse=_pulse(row, "replica_received_heartbeats", "replica_heartbeat_period"),
        receiver_error=_error(row, "last_io_errno", "last_io_error"),
        attempts=_attempts(row),
        applier_error=error,
        gtid_received=row.text("retrieved_gtid_set", "gtid_io_pos").replace("\n", ""),
        gtid_executed=row.text("executed_gtid_set").replace("\n", "") or identity.gtid_applied,
        uses_gtid=row.is_on("auto_position") or row.is_on("using_gtid"),
        lag=_lag(row, receiver, applier, workers),
        delay=timedelta(seconds=min(max(0, row.whole("sql_delay")), HOLD_DELAY)),
        source_log=_place(row.text("source_log_file"), row.text("read_source_log_pos")),
        applied_log=_place(row.text("relay_source_log_file"), row.text("exec_source_log_pos")),
        relay_space=_bytes(row.number("relay_log_space")),
        relay_log=_place(row.text("relay_log_file"), row.text("relay_log_pos")),
        failed_gtid=(failed_gtid(text) or (worker.transaction if worker else "")) if error else "",
        failed_table=failed_table(text),
        filters=_filters(row),
        skip_pending=row.whole("skip_counter"),
        groups=_groups(row),
    )


def _attempts(row: StatusRow) -> Attempts | None:
    """Of a receiver with an error: by its text (MySQL), or by columns (MariaDB 12; its manual, "SHOW REPLICA STATUS")."""
    if not (text := row.text("last_io_error")):
        return None
    if (told := attempts(text)) is not None:
        made, most, pause = told
    else:
        number = row.number("connects_tried") if row.has("connects_tried") else attempt_number(text)
        if number is None:
            return None
        most = min(row.whole("source_retry_count"), _MOST_ATTEMPTS)
        made, pause = int(min(max(0, number), _MOST_ATTEMPTS)), row.whole("connect_retry")
    longest = int(_LONGEST_PERIOD)
    return Attempts(made=made, most=most, pause=timedelta(seconds=min(max(0, pause), longest))) if most > 0 else None


_FILTERS = (
    ("do_db", "replicate_do_db"),
    ("ignore_db", "replicate_ignore_db"),
    ("do_table", "replicate_do_table"),
    ("ignore_table", "replicate_ignore_table"),
    ("wild_do_table", "replicate_wild_do_table"),
    ("wild_ignore_table", "replicate_wild_ignore_table"),
    ("rewrite_db", "replicate_rewrite_db"),
    ("do_domain_ids", "replicate_do_domain_ids"),
    ("ignore_domain_ids", "replicate_ignore_domain_ids"),
    ("ignore_server_ids", "replicate_ignore_server_ids"),
)
_GROUPS = ("replica_ddl_groups", "replica_non_transactional_groups", "replica_transactional_groups")


def _filters(row: StatusRow) -> str:
    """One text for the same filters, in whatever order the server lists their names."""
    listed = ((name, sorted(part.strip() for part in row.text(column).split(","))) for name, column in _FILTERS)
    return "; ".join(f"{name}={','.join(names)}" for name, names in listed if any(names))


def _groups(row: StatusRow) -> int | None:
    counts = [row.number(name) for name in _GROUPS]  # MariaDB from 10.3.7 on
    return None if None in counts else int(sum(count for count in counts if count is not None))


def _bytes(number: float | None) -> int | None:
    return None if number is None or number < 0 else int(number)


def _place(file: str, position: str) -> str:
    return f"{file}:{position}" if file else ""


def _error(
    row: StatusRow, number: str, text: str, *, at: datetime | None = None, worker: int | None = None
) -> ThreadError | None:
    errno = row.whole(number)
    return ThreadError(errno=errno, text=hide_secrets(row.text(text)), at=at, worker=worker) if errno else None


def _applier_error(row: StatusRow, workers: Sequence[Worker]) -> tuple[ThreadError | None, Worker | None]:
    """The error that matters: the status row shows the coordinator's words about a worker, the worker's row has its own."""
    shown = _error(row, "last_sql_errno", "last_sql_error")
    if shown is None:
        return None, None
    failed = [worker for worker in workers if worker.error and worker.error.errno not in POINTS_ELSEWHERE]
    named = failed_worker(shown.text)
    about_workers = shown.errno in POINTS_ELSEWHERE or "oordinator stopped" in shown.text or named is not None
    if failed and (about_workers or any(worker.error and worker.error.errno == shown.errno for worker in failed)):
        first = min(failed, key=lambda worker: (worker.number != named, worker.error is None or _when(worker.error)))
        return first.error, first
    return (replace(shown, worker=named) if named is not None else shown), None


def _when(error: ThreadError) -> float:
    return error.at.timestamp() if error.at else 0.0


def _lag(row: StatusRow, receiver: ThreadState, applier: ThreadState, workers: Sequence[Worker]) -> Lag:
    """Seconds behind, None if a thread is not running: what the source has meanwhile is not known, whatever the server shows
    (with the receiver stopped MySQL may show 0).

    A worker knows when its transaction was committed, to the microsecond and without the jump that Seconds_Behind makes at the
    end of a long transaction (whose first event is old when it arrives). But it compares two machines' clocks, which
    Seconds_Behind corrects for: a figure that is negative or larger is the clocks', and the smaller one is taken.
    """
    shown = row.number("seconds_behind_source")
    if shown is None or ThreadState.RUNNING is not receiver or ThreadState.RUNNING is not applier:
        return Lag(seconds=None, basis=LagBasis.STATUS)
    applying = max((worker.applying_seconds for worker in workers if worker.applying_seconds is not None), default=None)
    if applying is not None and 0 <= applying < shown:
        return Lag(seconds=applying, basis=LagBasis.PERFORMANCE_SCHEMA)
    return Lag(seconds=max(0.0, shown), basis=LagBasis.STATUS)

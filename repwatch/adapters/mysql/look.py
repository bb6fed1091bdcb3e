"""One look over an open connection: sends the table's statements, translates the answers. Raises what the connection raises."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from repwatch.adapters.mysql.look_applier import with_work
from repwatch.adapters.mysql.look_sequences import Numbers
from repwatch.errors import OutcomeUnknown, PrivilegeMissing, ServerError, StatementRefused, StatementTimedOut
from repwatch.model.observation import (
    BeatsUnread,
    BinlogFiles,
    BinlogKeep,
    ChannelObservation,
    ClockReading,
    Disks,
    Emptied,
    NoSpace,
    Observation,
    ThreadState,
)
from repwatch.model.risks import Risks
from repwatch.model.sequence import AutoIncrements
from repwatch.model.server import Flavour
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql.disks import read_disks
from repwatch.sql.emptied import is_filled, read_clone
from repwatch.sql.heartbeat import beats_of, read_beats
from repwatch.sql.quoting import quote_text
from repwatch.sql.risks import count_clients, read_log_filters, read_risks, with_by_hand
from repwatch.sql.status import CURRENT_ACCOUNT, NO_SUCH_TABLE, Part, StatusStatement, show_relay_event, statement
from repwatch.sql.status_columns import RawRow, StatusRow
from repwatch.sql.status_rows import (
    Identity,
    Worker,
    read_channels,
    read_identity,
    read_log_files,
    read_no_space,
    read_oldest_log,
    read_pulses,
    read_workers,
)
from repwatch.sql.status_texts import relay_event_gtid

OLDEST_LOG_EVERY = timedelta(seconds=10)
"""MariaDB opens a file for it, and holds the binary log's lock for a moment."""

NO_SPACE_EVERY = timedelta(seconds=10)
"""It is a table in memory, of five megabytes at most; and asked at once where an applier has a new error."""

DISKS_EVERY = timedelta(minutes=1)
"""The server asks each file system that is mounted."""

LOG_FILES_EVERY = timedelta(minutes=1)
"""A server may have many, and looks at each of them."""

ALWAYS = frozenset({Part.IDENTITY, Part.CHANNELS, Part.COUNTERS, Part.SETTINGS})
TOGETHER = (Part.IDENTITY, Part.CHANNELS, Part.WORKERS, Part.PULSES, Part.COUNTERS, Part.CLIENTS, Part.SETTINGS)
"""Sent at once, as far as the look before needed them: each round trip costs, most where a thousand servers are watched."""

APART_FOR = timedelta(hours=1)
"""For which nothing is sent at once after that was in vain twice: a proxy may take one statement at a time, or hang up."""

NO_PERFORMANCE_SCHEMA = "performance_schema is off: workers' own errors and connected replicas cannot be seen"


class Span(NamedTuple):
    """Monotonic seconds: when a look was begun, and how long it may take."""

    started: float
    deadline: float


@dataclass(slots=True)
class Memory:
    """What looks at one server keep for the next ones."""

    latest: Observation | None = None  # what the look before saw
    is_followed_by_place: bool = False  # a replica goes by the file and position of this server's binary logs
    numbers: Numbers = field(default_factory=Numbers)
    space_asked: float | None = None  # monotonic seconds
    disks_asked: float | None = None  # likewise
    usual: frozenset[Part] = ALWAYS  # what the look before asked for and was told
    in_vain: int = 0  # how often statements sent at once brought nothing, one time after another
    sent_together: float = 0.0  # monotonic seconds: when they were sent last


def look(database: Database, clock: Clock, span: Span, memory: Memory, heartbeat: str | None = None) -> Observation:
    """Look once, and remember it; `heartbeat` is the schema of its table.

    Raises ServerError; PrivilegeMissing has the missing GRANT as its hint.
    """
    memory.latest = _Look(database, clock, span, memory, heartbeat).run(span.started)
    return memory.latest


class _Look:
    def __init__(self, database: Database, clock: Clock, span: Span, memory: Memory, heartbeat: str | None) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._before = memory.latest
        self._memory = memory
        self._clock = clock
        self._give_up_at = span.started + span.deadline
        self._deadline = span.deadline
        self._skipped: list[str] = []
        self._answers: dict[Part, list[RawRow]] = {}  # that came together, and have not been asked for yet
        self._usual: set[Part] = set()
        self._identified: float | None = None  # monotonic seconds: when the first of them came

    def run(self, started: float) -> Observation:
        identity, reading = self._identity()
        channels = self._channels(identity)
        counters = self._ask(Part.COUNTERS)
        clients = self._clients(identity, counters)
        no_space = self._no_space(identity, channels)
        risks = self._risks(identity, channels, counters, no_space)
        if self._database.version.flavour is Flavour.MYSQL and not identity.performance_schema:
            self._skipped.append(NO_PERFORMANCE_SCHEMA)
        emptied = self._emptied(identity, channels, risks)
        binlog = self._binlog(identity, no_space)
        beats, now, unread = self._beats()
        self._memory.usual = frozenset(self._usual)
        return Observation(
            at=self._clock.now(),
            took=timedelta(seconds=self._clock.monotonic() - started),
            version=self._database.version,
            server_id=identity.server_id,
            server_uuid=identity.server_uuid,
            read_only=identity.read_only,
            log_bin=identity.log_bin,
            half_loaded=identity.half_loaded or emptied is not None,
            emptied=emptied,
            gtid_executed=identity.gtid_executed,
            gtid_binlog=identity.gtid_binlog,
            gtid_logged=identity.gtid_logged,
            instance=identity.instance,
            binlog=binlog,
            no_space=no_space,
            disks=self._disks(),
            auto_increments=self._auto_increments(identity, channels),
            beats=beats,
            beats_unread=unread,
            clock=now,
            reading=reading,
            channels=channels,
            risks=risks,
            dump_clients=clients,
            skipped=tuple(self._skipped),
        )

    def _identity(self) -> tuple[Identity, ClockReading | None]:
        # In this order: a pause between the two makes the error larger, and not the reading wrong.
        sent, asked = self._clock.monotonic(), self._clock.now()
        self._ask_together()
        identity = read_identity(next(iter(self._ask(Part.IDENTITY)), {}))
        half = timedelta(seconds=(self._identified or self._clock.monotonic()) - sent) / 2
        if identity.now is None:
            return identity, None
        return identity, ClockReading(ahead=identity.now - (asked + half), error=half)

    def _binlog(self, identity: Identity, no_space: NoSpace | None) -> BinlogKeep:
        known, now = self._before.binlog if self._before else BinlogKeep(), self._clock.now()
        if not self._is_mariadb:
            known = replace(known, purged=identity.gtid_purged)
        elif identity.log_bin and (known.asked is None or not timedelta(0) <= now - known.asked < OLDEST_LOG_EVERY):
            known = replace(known, purged=read_oldest_log(self._ask(Part.OLDEST_LOG)), asked=now)
        wanted = identity.log_bin and (identity.binlog_most or self._memory.is_followed_by_place)
        waits = no_space is not None and no_space.stuck_at is not None  # with a log that waits for room
        return replace(
            known,
            keep=identity.binlog_keep,
            most=identity.binlog_most,
            files=self._log_files(known.files, now, may_ask=not waits) if wanted else None,
            least_clients=identity.purge_clients,
        )

    def _no_space(self, identity: Identity, channels: tuple[ChannelObservation, ...]) -> NoSpace | None:
        if not identity.performance_schema:
            return None
        asked, now = self._memory.space_asked, self._clock.monotonic()
        recent = asked is not None and now - asked < NO_SPACE_EVERY.total_seconds()
        if recent and self._before and not self._fails_anew(channels, self._before):
            return self._before.no_space
        self._memory.space_asked = now
        known = self._before.no_space if self._before else None
        return read_no_space(self._ask(Part.NO_SPACE), self._clock.now(), identity.gtid_executed, known)

    def _disks(self) -> Disks | None:
        """Asked once in a while whether the plugin is there or not; what this look did not ask is as it was."""
        row = statement(Part.DISKS, self._database.version)
        asked, now = self._memory.disks_asked, self._clock.monotonic()
        if row is None:
            return None
        if self._before and asked is not None and now - asked < DISKS_EVERY.total_seconds():
            return self._before.disks
        self._memory.disks_asked = now
        try:
            spaces = read_disks(self._in_time(lambda: [*self._database.texts(row.sql)]))
            return Disks(asked=self._clock.now(), spaces=spaces)
        except StatementTimedOut:
            raise
        except StatementRefused:
            return None

    @staticmethod
    def _fails_anew(channels: tuple[ChannelObservation, ...], before: Observation) -> bool:
        known = [channel.applier_error for channel in before.channels]
        return any(channel.applier_error and channel.applier_error not in known for channel in channels)

    def _log_files(self, known: BinlogFiles | None, now: datetime, *, may_ask: bool) -> BinlogFiles | None:
        if not may_ask or (known is not None and timedelta(0) <= now - known.asked < LOG_FILES_EVERY):
            return known
        return read_log_files(self._ask(Part.LOG_FILES), now, known)

    def _channels(self, identity: Identity) -> tuple[ChannelObservation, ...]:
        rows = self._ask(Part.CHANNELS)
        channels = read_channels(rows, identity)
        workers = self._workers(identity, channels)
        pulses = read_pulses(self._ask(Part.PULSES)) if channels and identity.performance_schema else {}
        if workers or pulses:
            channels = read_channels(rows, identity, workers, pulses)
        channels = tuple(self._with_failed_gtid(channel) for channel in channels)
        if not self._is_mariadb and not identity.performance_schema:
            return channels
        account = f"{self._database.endpoint.user}@"
        return with_work(channels, self._before, self._database.version, account, lambda sql: self._optional(sql, "the applier"))

    def _auto_increments(self, identity: Identity, channels: tuple[ChannelObservation, ...]) -> AutoIncrements | None:
        if channels or not identity.log_bin:
            return None
        found = self._memory.numbers.look(self._database.version, self._clock.now(), self._in_haste)
        if found is not None and found.failure:
            self._skipped.append(f"AUTO_INCREMENT: {found.failure}")
        return found

    def _beats(self) -> tuple[Mapping[int, datetime], datetime | None, BeatsUnread | None]:
        """Asked last, so that its time is the look's. Its table may be locked or not there: the rest is seen all the same."""
        if self._heartbeat is None:
            return {}, None, None
        sql = read_beats(self._heartbeat, self._database.version)
        try:
            return *beats_of(self._in_time(lambda: [*self._database.texts(sql)])), None
        except PrivilegeMissing:
            return {}, None, BeatsUnread.DENIED
        except StatementTimedOut:
            return {}, None, BeatsUnread.TIMED_OUT
        except StatementRefused:
            return {}, None, BeatsUnread.REFUSED

    def _workers(self, identity: Identity, channels: tuple[ChannelObservation, ...]) -> tuple[Worker, ...]:
        # On MariaDB the status row has the worker's own text already, except where it points to another one.
        worth_it = any(channel.applier_error for channel in channels) if self._is_mariadb else bool(channels)
        return read_workers(self._ask(Part.WORKERS)) if worth_it and identity.performance_schema else ()

    def _clients(self, identity: Identity, counters: list[RawRow]) -> int | None:
        if self._is_mariadb:
            return count_clients(counters)
        rows = self._ask(Part.CLIENTS) if identity.performance_schema else []
        return StatusRow(rows[0]).whole("clients") if rows else None

    def _risks(
        self, identity: Identity, channels: tuple[ChannelObservation, ...], counters: list[RawRow], no_space: NoSpace | None
    ) -> Risks | None:
        if not counters:
            return None
        risks = read_risks(next(iter(self._ask(Part.SETTINGS)), {}), counters)
        if identity.log_bin and not (no_space and no_space.stuck_at):  # it would wait with a log that waits for room
            risks = replace(risks, log_filters=self._log_filters(risks))
        if not channels or not identity.performance_schema:
            return risks
        return self._with_by_hand(risks, channels)

    def _log_filters(self, risks: Risks) -> Mapping[str, str] | None:
        """They are as the server was started. A first look has enough to ask already, for a server far away."""
        before = self._before.risks if self._before else None
        if before is None or (before.log_filters is not None and before.uptime <= risks.uptime):
            return before.log_filters if before else None
        rows = self._ask(Part.LOG_FILTERS)
        return read_log_filters(rows) if rows else None

    def _with_by_hand(self, risks: Risks, channels: tuple[ChannelObservation, ...]) -> Risks:
        """Whoever puts something in a transaction's place has to stop the applier for it, and to start it afterwards."""
        before = self._before.risks if self._before else None
        if before and before.by_hand is not None and self._ran_on(channels, risks, before):
            return replace(risks, by_hand=before.by_hand, assigns_gtids=before.assigns_gtids)
        rows = self._ask(Part.BY_HAND)
        return with_by_hand(risks, rows[0]) if rows else risks

    @staticmethod
    def _ran_on(channels: tuple[ChannelObservation, ...], risks: Risks, before: Risks) -> bool:
        """True if no applier was stopped since the look before."""
        running = all(channel.applier is ThreadState.RUNNING for channel in channels)
        return running and before.starts == risks.starts and before.uptime <= risks.uptime

    def _emptied(self, identity: Identity, channels: tuple[ChannelObservation, ...], risks: Risks | None) -> Emptied | None:
        """CLONE stops the appliers: where they run it need not be asked for."""
        before = self._before
        ran_on = before and before.risks and risks and channels and self._ran_on(channels, risks, before.risks)
        if before and ran_on and before.emptied is None:
            return None
        clone = read_clone(self._clone()) if identity.performance_schema else None
        if clone is None or clone.running:
            return clone
        has_tables = any(StatusRow(row).is_on("has_tables") for row in self._ask(Part.HAS_TABLES))
        return None if is_filled(identity, channels, has_tables) else clone

    def _clone(self) -> list[RawRow]:
        row = statement(Part.CLONE, self._database.version)
        try:
            return self._in_time(lambda: [*self._database.texts(row.sql)]) if row else []
        except PrivilegeMissing:
            self._skipped.append(f"{Part.CLONE.value}: {row.grant(self._account()) if row else ''}")
        except StatementTimedOut:
            raise
        except StatementRefused as error:
            if error.errno != NO_SUCH_TABLE:
                self._skipped.append(f"{Part.CLONE.value}: {error.errno} {error.text}")
        return []

    def _with_failed_gtid(self, channel: ChannelObservation) -> ChannelObservation:
        """MariaDB names the failed transaction in its error log only; the relay log has it where the applier stands."""
        stuck = channel.applier is ThreadState.STOPPED and channel.applier_error and not channel.failed_gtid
        file, _, position = channel.relay_log.rpartition(":")
        if not (stuck and self._is_mariadb and channel.uses_gtid and file and position.isdigit()):
            return channel
        rows = self._optional(show_relay_event(channel.name, file, int(position)), "the failed transaction in the relay log")
        gtid = relay_event_gtid(StatusRow(rows[0]).text("info")) if rows else ""
        return replace(channel, failed_gtid=gtid)

    @property
    def _is_mariadb(self) -> bool:
        return self._database.version.is_mariadb

    def _ask_together(self) -> None:
        """What is refused, and what comes after it, is asked for again, each by itself."""
        memory, now = self._memory, self._clock.monotonic()
        if now >= self._give_up_at or (memory.in_vain > 1 and now - memory.sent_together < APART_FOR.total_seconds()):
            return
        rows = [statement(part, self._database.version) for part in TOGETHER if part in memory.usual]
        sent = [row for row in rows if row is not None]
        memory.in_vain, memory.sent_together = memory.in_vain + 1, now
        with closing(self._database.together([row.sql for row in sent])) as answers:
            for answer, row in zip(answers, sent, strict=False):  # in this order it comes to their end
                self._answers[row.part] = [*answer]
                memory.in_vain = 0
                arrived = self._clock.monotonic()
                self._identified = self._identified or arrived
                if arrived - now >= self._deadline:  # who stops here leaves answers unread, and so the connection
                    raise OutcomeUnknown("its answers came too slowly", server=self._database.server)

    def _ask(self, part: Part) -> list[RawRow]:
        known = self._answers.pop(part, None)
        rows = self._alone(part) if known is None else self._in_time(lambda: known)
        if rows is not None:
            self._usual.add(part)
            self._memory.usual |= {part}  # at once: a look that comes too late is to be the last one
        return rows or []

    def _alone(self, part: Part) -> list[RawRow] | None:
        """None where it is refused, and where there is no such statement."""
        row = statement(part, self._database.version)
        if row is None:
            return None
        if not row.essential:
            return self._if_allowed(row.sql, part.value, row)
        try:
            return self._in_time(lambda: [*self._database.texts(row.sql)])
        except PrivilegeMissing as error:
            raise PrivilegeMissing(error.text, server=error.server, errno=error.errno, hint=row.grant(self._account())) from None

    def _optional(self, sql: str, what: str) -> list[RawRow]:
        return self._if_allowed(sql, what) or []

    def _if_allowed(self, sql: str, what: str, row: StatusStatement | None = None) -> list[RawRow] | None:
        try:
            return self._in_time(lambda: [*self._database.texts(sql)])
        except PrivilegeMissing as error:
            self._skipped.append(f"{what}: {row.grant(self._account()) if row else error.text}")
        except StatementTimedOut:
            raise
        except StatementRefused as error:
            self._skipped.append(f"{what}: {error.errno} {error.text}")
        return None

    def _in_haste(self, sql: str) -> list[RawRow]:
        """For a statement that may take its second, and is not worth a look that comes late."""
        return self._in_time(lambda: [*self._database.texts(sql)], seconds=1.0)

    def _in_time(self, ask: Callable[[], list[RawRow]], seconds: float = 0.0) -> list[RawRow]:
        if self._clock.monotonic() + seconds >= self._give_up_at:
            raise StatementTimedOut("its answers came too slowly", server=self._database.server)
        return ask()

    def _account(self) -> str:
        """The account as the server knows it, quoted for a GRANT."""
        try:
            user, _, host = (self._database.scalar(CURRENT_ACCOUNT) or "").rpartition("@")
        except ServerError:
            user, host = self._database.endpoint.user, "%"
        return f"{quote_text(user)}@{quote_text(host)}"

"""What a look asks, how often, and what of it at once."""

from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from repwatch.adapters.mysql.look import Memory, Span, look
from repwatch.errors import OutcomeUnknown, PrivilegeMissing, StatementTimedOut
from repwatch.model.observation import Observation
from repwatch.model.server import ServerVersion
from repwatch.ports.database import Database
from repwatch.sql.status import Part, statement
from repwatch.sql.status_columns import RawRow
from tests.unit.watch.handclock import HandClock

DEADLINE = 4.0
VERSIONS = pytest.mark.parametrize("version", [ServerVersion.parse("8.4.3"), ServerVersion.parse("10.11.19-MariaDB")])


class Server:
    """A source that answers a few statements."""

    def __init__(self, version: ServerVersion, **changes: str) -> None:
        self.version = version
        self.endpoint = SimpleNamespace(user="w")
        self.server = "db1"
        self.memory = Memory()
        self.sent: list[str] = []
        self.at_once: list[list[str]] = []
        self.allowed = True
        self.refused = ""
        self.takes_several = True
        self.clock = HandClock()
        self.each = 0.0  # seconds that an answer takes
        self.answers: dict[str, list[RawRow]] = {self.of(Part.IDENTITY): [{"log_bin": "1", "performance_schema": "1", **changes}]}
        self.started_with("", uptime=100)

    def of(self, part: Part) -> str:
        row = statement(part, self.version)
        return row.sql if row else part.value

    def started_with(self, ignored: str, uptime: int) -> None:
        self.answers |= {
            self.of(Part.COUNTERS): [{"name": "Uptime", "value": str(uptime)}],
            self.of(Part.LOG_FILTERS): [{"File": "b.1", "Binlog_Do_DB": "", "Binlog_Ignore_DB": ignored}],
        }

    def texts(self, sql: str) -> list[RawRow]:
        self.sent.append(sql)
        if sql == self.refused or (sql == self.of(Part.LOG_FILTERS) and not self.allowed):
            raise PrivilegeMissing("no", server=self.server)
        return self.answers.get(sql, [])

    def together(self, statements: Sequence[str]) -> Generator[list[RawRow]]:
        self.at_once.append([*statements])
        for sql in statements:
            if sql == self.refused or not self.takes_several:
                return
            self.clock.sleep(self.each)
            yield self.answers.get(sql, [])

    def scalar(self, sql: str) -> str:
        return "w@%"

    def look(self) -> Observation:
        return look(cast("Database", self), self.clock, Span(self.clock.monotonic(), DEADLINE), self.memory)

    def log_filters(self) -> Mapping[str, str] | None:
        risks = self.look().risks
        return risks.log_filters if risks else None

    @property
    def asked(self) -> int:
        return self.sent.count(self.of(Part.LOG_FILTERS))

    @property
    def listed(self) -> int:
        return self.sent.count(self.of(Part.LOG_FILES))


@VERSIONS
def test_what_is_set_at_a_start_is_asked_after_each(version: ServerVersion) -> None:
    server = Server(version)
    assert [server.log_filters() for _ in range(3)] == [None, {}, {}]
    assert server.asked == 1
    server.started_with("tmp", uptime=50)
    assert [server.log_filters() for _ in range(3)] == [{"binlog_ignore_db": "tmp"}] * 3
    assert server.asked == 2


@VERSIONS
def test_what_was_refused_is_asked_again(version: ServerVersion) -> None:
    server = Server(version)
    server.allowed = False
    server.look()
    assert [each for each in server.look().skipped if "GRANT" in each]
    assert server.log_filters() is None
    server.allowed = True
    assert server.log_filters() == {}
    assert server.asked == 3


def test_a_log_that_waits_for_room_is_not_asked() -> None:
    server = Server(ServerVersion.parse("8.4.3"), gtid_executed="u:1-5")
    server.answers[server.of(Part.NO_SPACE)] = [{"age": "40", "told": "Disk is full writing 'b.1'", "waits": "1"}]
    server.look()
    assert (server.log_filters(), server.asked) == (None, 0)


@VERSIONS
def test_a_server_without_a_binary_log_is_not_asked(version: ServerVersion) -> None:
    server = Server(version, log_bin="0")
    server.look()
    assert (server.log_filters(), server.asked) == (None, 0)


@VERSIONS
def test_the_list_of_logs_is_asked_of_who_is_followed_by_it_and_not_in_each_look(version: ServerVersion) -> None:
    server = Server(version)
    assert (server.look().binlog.files, server.listed) == (None, 0)
    server.memory.is_followed_by_place = True
    server.answers[server.of(Part.LOG_FILES)] = [{"Log_name": "b.1", "File_size": "100"}]
    looks = [server.look().binlog.files for _ in range(3)]
    assert [found.sizes if found else None for found in looks] == [(("b.1", 100),)] * 3
    assert server.listed == 1


def test_the_list_of_logs_is_not_asked_while_one_waits_for_room() -> None:
    server = Server(ServerVersion.parse("8.4.3"), gtid_executed="u:1-5")
    server.memory.is_followed_by_place = True
    server.answers[server.of(Part.NO_SPACE)] = [{"age": "40", "told": "Disk is full writing 'b.1'", "waits": "1"}]
    assert (server.look().binlog.files, server.listed) == (None, 0)


@VERSIONS
def test_what_each_look_needs_is_asked_for_at_once(version: ServerVersion) -> None:
    server = Server(version)
    for _ in range(3):
        server.look()
    first, *others = server.at_once
    always = [Part.IDENTITY, Part.CHANNELS, Part.COUNTERS, Part.SETTINGS]
    assert first == [server.of(part) for part in always]
    clients = [] if version.is_mariadb else [Part.CLIENTS]  # as the first look found out
    assert others == [[server.of(part) for part in (*always[:-1], *clients, Part.SETTINGS)]] * 2
    assert not {*first} & {*server.sent}


@VERSIONS
def test_what_is_refused_among_others_is_asked_for_alone_as_is_what_comes_after_it(version: ServerVersion) -> None:
    server = Server(version)
    server.refused = server.of(Part.COUNTERS)
    seen = server.look()
    assert [each for each in seen.skipped if each.startswith(Part.COUNTERS)]
    assert server.sent.count(server.of(Part.COUNTERS)) == 1
    server.look()
    assert server.refused not in server.at_once[1]
    server.refused = ""
    assert server.look().skipped == ()
    server.look()
    assert server.of(Part.COUNTERS) in server.at_once[3]


def test_who_takes_one_at_a_time_is_not_sent_several_for_an_hour() -> None:
    server = Server(ServerVersion.parse("8.4.3"))
    server.takes_several = False
    for _ in range(5):
        assert server.look().server_id == 0
    assert len(server.at_once) == 2
    server.clock.sleep(3601)
    server.takes_several = True
    server.look()
    server.sent.clear()
    server.look()
    assert len(server.at_once) == 4
    assert server.of(Part.IDENTITY) not in server.sent


@VERSIONS
def test_answers_that_take_too_long_together_are_not_waited_for(version: ServerVersion) -> None:
    """Each in time: four of them might take four times as long as a look may."""
    server = Server(version)
    server.each, begun = DEADLINE / 2, server.clock.monotonic()
    with pytest.raises(OutcomeUnknown):
        server.look()
    assert server.clock.monotonic() - begun == DEADLINE


@VERSIONS
def test_nothing_is_sent_that_would_come_too_late(version: ServerVersion) -> None:
    server = Server(version)
    with pytest.raises(StatementTimedOut):
        look(cast("Database", server), server.clock, Span(server.clock.monotonic() - DEADLINE, DEADLINE), server.memory)
    assert (server.at_once, server.sent) == ([], [])


@VERSIONS
def test_a_clock_is_read_by_the_first_answer(version: ServerVersion) -> None:
    server = Server(version, now_utc="2026-11-22 10:00:00.000000")
    server.each = 0.5
    reading = server.look().reading
    assert reading is not None
    assert reading.error == timedelta(seconds=0.25)

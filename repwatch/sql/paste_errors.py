"""Errors in pasted text: by number and text, and in the error logs of both families. Pure; nothing is required of the text.

The lines as MySQL 9.7 and MariaDB 10.11 wrote them:

    … 13 [ERROR] [MY-010584] [Repl] Replica SQL for channel '': Worker 1 failed …, Error_code: MY-001062
    … 8 [ERROR] Slave SQL: Error 'Duplicate entry …', Gtid 0-1-3, Internal MariaDB error code: 1062
    … 12 [ERROR] Error reading packet from server: A slave with the same server_uuid/server_id … (server_errno=4052)

MariaDB puts `Master 'name': ` before them for a connection that has a name.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from repwatch.model.server import ServerVersion
from repwatch.sql.status_columns import RawRow
from repwatch.sql.status_rows import POINTS_ELSEWHERE
from repwatch.sql.status_texts import attempts

MOST_ERRORS = 100  # of one text
_LONGEST_LINE = 10_000  # characters
_LINE = re.compile(
    r"(?:Master '(?P<connection>[^']*)': )?\b(?:Slave|Replica) (?P<thread>SQL|I/O|IO)(?: thread)?"
    r"(?: for channel '(?P<channel>[^']*)')?: (?P<text>.*)"
)
# Of the errors that a MariaDB receiver tells in this way one is told nowhere else: of two replicas with one server_id. Others
# follow as `Slave I/O: …`, or are a lost connection that is made anew.
_SAME_ID = 4052
_PACKET = re.compile(
    r"(?:Master '(?P<connection>[^']*)': )?Error reading packet from server: (?P<text>.*\(server_errno=(?P<errno>\d{1,6})\))",
    re.ASCII,
)
# "mariadbd: Disk is full writing './relay.000002' (Errcode: 28 …). Waiting for someone to free space", MySQL's the same; InnoDB:
# "[MY-012814] [InnoDB] Write to file … failed …, only 0 were written. Operating system error number 28. …".
_NO_SPACE = re.compile(r"Disk is full writing|\berror number 28\b|\[MY-012814\]", re.IGNORECASE)
_MARIADB_ALONE = {1966, _SAME_ID}
_CODE = re.compile(r"(?:Error_code: (?:MY-)?|Internal MariaDB error code: )0*(?P<errno>\d{1,6})\b", re.ASCII)
# 1062; 13114: Got fatal error 1236 …; ERROR 1062 (23000): …; but no date.
_LEADING = re.compile(r"\s*(?:error\s*)?(?:MY-)?0*(?P<errno>\d{1,6})(?=[\s:,.;)]|$)", re.ASCII | re.IGNORECASE)
_NAMED = re.compile(r"(?:error_code|errno|error code|error)[\s:=#]*(?:MY-)?0*(?P<errno>\d{1,6})\b", re.ASCII | re.IGNORECASE)
_SOURCE = re.compile(r"'(?P<user>[^'@\s]{0,80})@(?P<host>[^'\s]{1,255}):(?P<port>\d{1,5})'", re.ASCII)
_OF_THE_RECEIVER = re.compile(r"last_io|\bI/O\b|reading data from binary log|connecting to (?:master|source)", re.IGNORECASE)
_OF_THE_APPLIER = re.compile(r"last_sql|could not execute|worker \d+ failed|on query\. default database", re.IGNORECASE)
# Errors of the client's library: whatever keeps a receiver from its source, it tries again until its attempts are used up.
_TRIED_AGAIN = {_SAME_ID, *range(2002, 2014), 2055}
_RETRIES = re.compile(r"retry-time:|This was attempt|connecting to (?:master|source)", re.IGNORECASE)


class Thread(StrEnum):
    """Who met the error."""

    RECEIVER = "receiver"
    APPLIER = "applier"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedError:
    """One error. `thread` None: the text does not say whose."""

    errno: int
    text: str
    thread: Thread | None = None
    channel: str = ""

    @property
    def version(self) -> ServerVersion | None:
        """A version in whose words statements can be written, None if the text tells no family."""
        if "MariaDB" in self.text or self.errno in _MARIADB_ALONE:
            return ServerVersion.parse("10.11.0-MariaDB")
        if 10_000 <= self.errno < 20_000 or re.search(r"\bMY-\d{6}\b|\b[Rr]eplica |\bsource\b", self.text):
            return ServerVersion.parse("8.4.0")
        return None

    def row(self, thread: Thread) -> RawRow:
        """As the status of a replica shows it whose other thread runs."""
        source = _SOURCE.search(self.text)
        counted = attempts(self.text)
        given_up = counted is not None and counted[0] >= counted[1]
        retries = not given_up and (self.errno in _TRIED_AGAIN or _RETRIES.search(self.text))
        state = "Connecting" if thread is Thread.RECEIVER and retries else "No"
        kind = "IO" if thread is Thread.RECEIVER else "SQL"
        running = {"Replica_IO_Running": "Yes", "Replica_SQL_Running": "Yes"}
        return running | {
            "Channel_Name": self.channel,
            "Source_Host": source["host"] if source else "source-host",
            "Source_Port": source["port"] if source else "3306",
            f"Replica_{kind}_Running": state,
            f"Last_{kind}_Errno": str(self.errno),
            f"Last_{kind}_Error": self.text,
        }


def parse_log(text: str) -> tuple[PastedError, ...]:
    """The errors that an error log tells of replication: of each thread and number the latest."""
    found: dict[tuple[str, Thread, int], PastedError] = {}
    for line in text.splitlines():
        error = _of_line(line[:_LONGEST_LINE])
        if error is not None and error.thread is not None:
            key = (error.channel, error.thread, error.errno)
            found.pop(key, None)
            found[key] = error
    errors = list(found.values())
    telling = {error.channel for error in errors if error.errno not in POINTS_ELSEWHERE}
    return tuple(error for error in errors if error.errno not in POINTS_ELSEWHERE or error.channel not in telling)[-MOST_ERRORS:]


def _of_line(line: str) -> PastedError | None:
    packet = _PACKET.search(line)
    if packet and int(packet["errno"]) == _SAME_ID:
        return PastedError(errno=_SAME_ID, text=packet["text"], thread=Thread.RECEIVER, channel=packet["connection"] or "")
    found = _LINE.search(line)
    codes = _CODE.findall(found["text"]) if found else []
    if not found or not codes or not int(codes[-1]):
        return None
    thread = Thread.APPLIER if found["thread"] == "SQL" else Thread.RECEIVER
    channel = found["channel"] or found["connection"] or ""
    return PastedError(errno=int(codes[-1]), text=found["text"], thread=thread, channel=channel)


def no_space_line(text: str) -> str:
    """The last line that says that a write failed for want of space, "" if none does."""
    lines = (line.strip()[:_LONGEST_LINE] for line in text.splitlines())
    return next(iter([line for line in lines if _NO_SPACE.search(line)][-1:]), "")


def family_of_line(line: str) -> ServerVersion | None:
    """A version of the family whose error log has this line, None if it does not tell."""
    if re.search(r"\[MY-\d{6}\]", line):
        return ServerVersion.parse("8.4.0")
    return ServerVersion.parse("10.11.0-MariaDB") if re.search(r"mariadbd?\b", line, re.IGNORECASE) else None


def parse_error(text: str) -> PastedError | None:
    """An error by its number, with or without its text."""
    found = _LEADING.match(text) or _NAMED.search(text)
    if not found or not int(found["errno"]):
        return None
    receiver, applier = _OF_THE_RECEIVER.search(text), _OF_THE_APPLIER.search(text)
    thread = None if bool(receiver) == bool(applier) else Thread.RECEIVER if receiver else Thread.APPLIER
    return PastedError(errno=int(found["errno"]), text=text.strip(), thread=thread)

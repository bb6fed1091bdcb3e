"""What the servers' error texts tell beside the number: transaction, worker, table. Texts of both flavours, all in one place."""

import re

from repwatch.model.observation import ThreadWait

# The servers' stages: relay_log_space_limit; a full disk on MariaDB; one on MySQL.
_WAITS = (
    ("relay log space", ThreadWait.RELAY_SPACE),  # "… to free relay log space"; old servers: "to free enough"
    ("waiting for someone to free space", ThreadWait.DISK),
    ("waiting for disk space", ThreadWait.DISK),
)
# MySQL: "Worker 3 failed executing transaction 'uuid:6' at source log …"; MariaDB's error log: "…, Gtid 0-1-8, Internal …".
_GTID = re.compile(r"transaction '(?!ANONYMOUS|NOT_YET_DETERMINED)([^']+)'|\bGtid (\d+-\d+-\d+)\b")
_WORKER = re.compile(r"\bWorker (\d+) failed executing")
_DUPLICATE = re.compile(r"Duplicate entry '(?P<entry>.*?)' for key '(?P<key>[^']+)'", re.DOTALL)
# A worker's text begins with the place of its transaction; of its event it may say "FIRST, end_log_pos 0".
_FAILED_PLACE = re.compile(r"(?:source|master) log (?P<file>[\w./-]+\.\d+), end_log_pos (?P<position>[1-9]\d*)")
_ATTEMPT = re.compile(r"This was attempt (\d{1,10})/(\d{1,10}), with a delay of (\d{1,10}) seconds")
# MySQL 5.7 and the first of 8.0; MariaDB has "retry-time: 60  maximum-retries: 100000".
_OLD_ATTEMPT = re.compile(r"retry-time: \d+\s+retries: (\d{1,10})")
_RELAY_GTID = re.compile(r"\bGTID (\d+-\d+-\d+)\b")

_QUOTED = r"[`']?(?P<schema>[^`'.\s]+)[`']?\.[`']?(?P<table>[^`';,\s]+)[`']?"
_CONSTRAINT = re.compile(r"constraint fails \(`(?P<schema>[^`]+)`\.`(?P<table>[^`]+)`", re.IGNORECASE)
# In this order: what a row event says of itself is surest; a foreign key's text names the referencing table first.
_TABLES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bevent on table (?P<schema>[^.]+)\.(?P<table>[^;]+);",
        rf"\bTable {_QUOTED} (?:doesn't exist|already exists)",
        rf"\b(?:of|in) table {_QUOTED}",
        r"constraint fails \(`(?P<schema>[^`]+)`\.`(?P<table>[^`]+)`",
        rf"\bUnknown table {_QUOTED}",
        rf"\btable {_QUOTED} cannot be converted",
    )
)
_DATABASE = re.compile(r"Default database: '(?P<database>[^']*)'")
_QUERY = re.compile(r"Query: '(?P<query>.*)'", re.DOTALL)
_NAME = r"`(?:[^`]|``)+`|[^\s`.,;()]+"
_STATEMENT = re.compile(
    r"\s*(?:(?:insert|replace)\s+(?:\w+\s+)*?into|update(?:\s+(?:low_priority|ignore))*|delete\s+(?:\w+\s+)*?from"
    r"|(?:create|alter|drop|truncate)\s+(?:\w+\s+)*?table(?:\s+if(?:\s+not)?\s+exists)?"
    r"|truncate|load\s+data\b.*?\binto\s+table)"
    rf"\s+(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<table>{_NAME})",
    re.IGNORECASE | re.DOTALL,
)
# A statement that was replicated as text may carry a password. The text may be cut anywhere, so all after the word goes.
_SENSITIVE = re.compile(r"\bQuery: '.*?(?:\bidentified\b|password)", re.IGNORECASE | re.DOTALL)
_SECRET_WORD = re.compile(r"\bidentified\b|password", re.IGNORECASE)
_BRIEF = 200  # characters


def failed_gtid(text: str) -> str:
    """The transaction that the text blames, "" if it names none."""
    found = _GTID.search(text)
    return (found[1] or found[2]) if found else ""


def relay_event_gtid(info: str) -> str:
    """The GTID out of the Info of a MariaDB Gtid event ("BEGIN GTID 0-1-8"), "" for other events."""
    found = _RELAY_GTID.search(info)
    return found[1] if found else ""


def thread_wait(stage: str) -> ThreadWait | None:
    """What a replication thread waits for, by the stage that the server shows of it; None: neither room nor space."""
    return next((wait for text, wait in _WAITS if text in stage.lower()), None)


def is_ending(stage: str) -> bool:
    """True if an applier still runs and is about to stop: a STOP waits for its workers (MySQL)."""
    return " to exit" in stage.lower()


def attempts(text: str) -> tuple[int, int, int] | None:
    """MySQL 8: which attempt to connect this was, of how many, and the seconds between two."""
    found = _ATTEMPT.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def attempt_number(text: str) -> int | None:
    """MySQL 5.7: which attempt to connect this was; the text does not tell of how many."""
    found = _OLD_ATTEMPT.search(text)
    return int(found[1]) if found else None


def failed_worker(text: str) -> int | None:
    """The number of the worker that the text blames."""
    found = _WORKER.search(text)
    return int(found[1]) if found else None


def failed_table(text: str) -> str:
    """`schema.table` that the text is about, "" if it does not tell."""
    for pattern in _TABLES:
        if found := pattern.search(text):
            return f"{found['schema']}.{found['table']}"
    query, database = _QUERY.search(text), _DATABASE.search(text)
    return statement_table(query["query"], database["database"] if database else "") if query else ""


def child_table(text: str) -> str:
    """`schema.table` whose foreign key does not hold; the event that failed may be one of another table."""
    found = _CONSTRAINT.search(text)
    return f"{found['schema']}.{found['table']}" if found else ""


def duplicate_entry(text: str) -> tuple[str, str] | None:
    """The key's value and name that a row is there with already."""
    found = _DUPLICATE.search(text)
    return (found["entry"], found["key"]) if found else None


def failed_place(text: str) -> tuple[str, str] | None:
    """File of the source's binary log, and the position at which the event ends that failed."""
    found = _FAILED_PLACE.search(text)
    return (found["file"], found["position"]) if found else None


def statement_table(statement: str, database: str) -> str:
    """`schema.table` that a statement writes to, "" if its beginning does not tell; `database` is the default one."""
    found = _STATEMENT.match(statement)
    if not found:
        return ""
    schema = _bare(found["schema"] or "") or database
    return f"{schema}.{_bare(found['table'])}" if schema else ""


def _bare(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def hide_secrets(text: str) -> str:
    """The text without what follows the word "password" or "identified" in a statement that it quotes."""
    found = _SENSITIVE.search(text)
    return f"{text[: found.end()]} …" if found else text


def brief_statement(text: str) -> str:
    """A statement that somebody runs, on one line, cut, without what follows the words "password" and "identified"."""
    words = " ".join(text.split())
    if found := _SECRET_WORD.search(words):
        words = f"{words[: found.end()]} …"
    return words if len(words) <= _BRIEF else f"{words[:_BRIEF]}…"

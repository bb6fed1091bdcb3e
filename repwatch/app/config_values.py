"""Words of the configuration as values: durations, secrets, addresses, times of day. Raise ValueError, never with the input."""

import re
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from repwatch.health.maintenance import DAYS
from repwatch.model.endpoint import CommandSecret, EnvSecret, FileSecret, LiteralSecret, SecretSource

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SECRET_FORMS = '{ file = "…" }, { env = "…" } or { command = ["…"] }'


def duration(value: object) -> timedelta:
    """`5s`, `0.5s`, `500ms`, `1h30m`, `7d`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdw])", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError('must be a duration such as "5s", "5m", "1h30m" or "7d"')
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError("is too long a duration") from None


def positive_duration(value: object) -> timedelta:
    """A duration that is longer than nothing."""
    length = duration(value)
    if not length:
        raise ValueError("must be longer than nothing")
    return length


def secret(value: object) -> SecretSource:
    """A table that says where a secret is kept; one in the clear is refused."""
    if isinstance(value, str):  # pydantic collects ValueError, not TypeError
        raise ValueError(f"a secret does not stand in the configuration itself; write {SECRET_FORMS}")  # noqa: TRY004
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"file", "env", "command"}:
        raise ValueError(f"must be {SECRET_FORMS}")
    ((kind, place),) = value.items()
    if kind == "command":
        if not isinstance(place, list) or not place or not all(isinstance(word, str) and word for word in place):
            raise ValueError('command must be a list of words: ["program", "argument"]')
        return CommandSecret(tuple(place))
    if not isinstance(place, str) or not place:
        raise ValueError(f"{kind} must be a text in quotes")
    return FileSecret(Path(place)) if kind == "file" else EnvSecret(place)


def secret_or_text(value: object) -> SecretSource:
    """Slack's incoming webhook is a secret that everybody writes as a URL; both are taken."""
    return LiteralSecret(http_url(value)) if isinstance(value, str) else secret(value)


def http_url(value: object) -> str:
    """An http or https URL."""
    if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/?#]+(?:[/?][^\s]*)?", value):
        raise ValueError("must be a URL that begins with https:// or http://")
    return value


def public_url(value: object) -> str:
    """Where people reach the web page; it ends with a slash. Everybody who gets notices sees it, so it may hold no login."""
    url = http_url(value)
    if "@" in url or "?" in url:
        raise ValueError("must be the plain address of the page, without login and parameters")
    return url if url.endswith("/") else f"{url}/"


def runbook_url(value: object) -> str:
    """A URL with places for what an incident is about; everybody who gets notices sees it."""
    text = http_url(value.partition("#")[0] if isinstance(value, str) else value)
    filled = re.sub(r"\{(?:code|cluster|server)\}", "x", str(value))
    if re.search(r"[{}<>|\"\\`^]", filled):
        raise ValueError("may hold the places {code}, {cluster} and {server}, and no other brackets or quotes")
    if "@" in re.split("[/?]", text.partition("://")[2])[0]:
        raise ValueError("must hold no login")
    return str(value)


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where the web page listens."""

    host: str
    port: int


def host_port(value: object) -> HostPort:
    """`127.0.0.1:8080`, `[::1]:8080`, `:8080` for every interface."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*):(\d{1,5})", value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 65535:
        raise ValueError('must be "host:port", such as "127.0.0.1:8080" or "[::1]:8080"')
    return HostPort(found[1].strip("[]") or "0.0.0.0", int(found[2]))


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server. `implicit_tls`: TLS from the first byte (smtps)."""

    host: str
    port: int
    user: str
    implicit_tls: bool


def smtp_url(value: object) -> Smtp:
    """`smtp://user@host:587` or `smtps://host`; the user percent-encoded, the password beside it."""
    found = re.fullmatch(r"(smtps?)://(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?/?", str(value), re.DOTALL)
    if found is None or int(found[4] or 1) not in range(1, 65536):
        raise ValueError('must be "smtp://user@host:port" or "smtps://user@host:port"')
    user = found[2] or ""
    if ":" in user:
        raise ValueError('must not hold a password; write password = { env = "…" } beside it')
    implicit = found[1] == "smtps"
    return Smtp(found[3].strip("[]"), int(found[4] or (465 if implicit else 587)), unquote(user), implicit)


_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"


def day_window(value: object) -> str:
    """`22:00-06:00`: a span of the day, in UTC, over midnight if need be."""
    if not isinstance(value, str) or not re.fullmatch(f"{_CLOCK}-{_CLOCK}", value):
        raise ValueError('must be a span such as "22:00-06:00"')
    return value


_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def maintenance_window(value: object) -> str:
    """`22:00-04:00` or `sun 22:00-04:00`, in lower case."""
    day, _, span = value.strip().lower().rpartition(" ") if isinstance(value, str) else ("", "", "")
    if day and day not in DAYS:
        raise ValueError('must be "HH:MM-HH:MM" or "sun HH:MM-HH:MM"')
    return f"{day} {day_window(span)}".strip()


def digest_time(value: object) -> str:
    """`08:00` or `mon 08:00`, in lower case."""
    day, _, clock = value.strip().lower().rpartition(" ") if isinstance(value, str) else ("", "", "")
    if (day and day not in DAYS) or not re.fullmatch(_CLOCK, clock):
        raise ValueError('must be "HH:MM" or "mon HH:MM"')
    return f"{day} {clock}".strip()


def cron(value: object) -> str:
    """Five fields: minute, hour, day, month, weekday (0 and 7 are Sunday). Names of months and days are not taken.

    The weekday is given back by name: the scheduler counts from Monday, where every crontab counts from Sunday.
    """
    fields = value.split() if isinstance(value, str) else []
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError('must be five fields, minute hour day month weekday, such as "0 2 * * *"')
    numbers = [_cron_numbers(text, *limits) for text, limits in zip(fields, _CRON_FIELDS, strict=True)]
    days = sorted({number % 7 for number in numbers[-1]})
    fields[-1] = "*" if len(days) == len(_WEEKDAYS) else ",".join(_WEEKDAYS[day] for day in days)
    return " ".join(fields)


def _cron_numbers(text: str, name: str, low: int, high: int) -> set[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
        first, last, step = (int(word) if word else None for word in found.groups()) if found else (None, None, None)
        if found is None or (last is not None and first is not None and last < first):
            raise ValueError(f"the {name} is not understood; write *, 5, 1-5, 1,3 or */10")
        if first is None:
            first, last = low, high
        elif last is None:
            last = high if step else first
        if not low <= first <= high or not low <= (last or first) <= high:
            raise ValueError(f"the {name} must lie between {low} and {high}")
        numbers.update(range(first, (last or first) + 1, step or 1))
    return numbers


def table_pattern(value: object) -> str:
    """`db.pattern`, with shell wildcards."""
    if not isinstance(value, str) or not re.fullmatch(r"[^.\s]+\.\S+", value):
        raise ValueError('must be "database.table", with * and ? as wildcards')
    return value


def match_pattern(value: object) -> str:
    """`cluster[/server[/code]]`, with shell wildcards."""
    if not isinstance(value, str) or not re.fullmatch(r"[^/\s]+(/[^/\s]+){0,2}", value):
        raise ValueError('must be "cluster", "cluster/server" or "cluster/server/code", with * as wildcard')
    return value


def mail_address(value: object) -> str:
    """`dba@example.com`, or `Name <dba@example.com>`; nothing that could add a header."""
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or not re.fullmatch(r"[^<>@,]*<[^\s<>@,]+@[^\s<>@,]+>|[^\s<>@,]+@[^\s<>@,]+", value)
    ):
        raise ValueError('must be a mail address such as "dba@example.com"')
    return value


def store_url(value: object) -> str:
    """An SQLite file or a PostgreSQL database."""
    if isinstance(value, str) and re.fullmatch(r"sqlite:///.+", value) and ":memory:" not in value:
        return value
    if isinstance(value, str) and value.startswith("postgresql+psycopg://"):
        if find_spec("psycopg") is None:
            raise ValueError("PostgreSQL needs a driver: pip install 'psycopg[binary]'")
        return value
    raise ValueError('must be "sqlite:///path" (a file) or "postgresql+psycopg://user@host/database"')

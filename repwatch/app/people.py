"""What a person on call types, checked: whom a silence is about, how long it lasts, and who says so."""

import getpass
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase

from repwatch.app import config_values
from repwatch.errors import UsageError
from repwatch.model.finding import FindingCode
from repwatch.model.settings import Settings

LONGEST = timedelta(days=90)
LONGEST_TEXT = 200  # characters of a name or a reason


def silence_target(settings: Settings, text: str) -> str:
    """`cluster[/server[/code]]`, with * as wildcard, each part of which names something. Raises UsageError."""
    try:
        parts = config_values.match_pattern(text).split("/")
    except ValueError as error:
        raise UsageError(f"TARGET {error}") from None
    clusters = [cluster for cluster in settings.clusters if fnmatchcase(cluster.name, parts[0])]
    servers = [server for cluster in clusters for server in cluster.servers]
    _known("cluster", parts[:1], [cluster.name for cluster in settings.clusters])
    _known("server", parts[1:2], [name for server in servers for name in (server.name, str(server.endpoint.address)) if name])
    _known("finding", parts[2:], [code.value for code in FindingCode])
    return text


def _known(what: str, part: list[str], names: list[str]) -> None:
    if part and not any(fnmatchcase(name, part[0]) for name in names):
        near = get_close_matches(part[0], names, n=1)
        raise UsageError(
            f"there is no {what} {part[0]!r}", hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        )


def length(text: str) -> timedelta:
    """How long, as `2h`. Raises UsageError."""
    try:
        span = config_values.positive_duration(text)
    except ValueError as error:
        raise UsageError(f"--for {error}") from None
    if span > LONGEST:
        raise UsageError(f"--for is longer than {LONGEST.days} days", hint="what nobody wants to hear of for good: `match`")
    return span


def said(text: str, option: str) -> str:
    """A name or a reason on one line, not empty. Raises UsageError."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if not line:
        raise UsageError(f"{option} is empty")
    return line[:LONGEST_TEXT]


def author(given: str | None, environment: Iterable[str | None]) -> str:
    """Who says so: as given, else who is logged in. Raises UsageError."""
    if given is not None:
        return said(given, "--author")
    for name in environment:
        if name:
            return said(name, "$USER")
    try:
        return said(getpass.getuser(), "the user's name")
    except (KeyError, OSError):
        raise UsageError("who are you?", hint="give --author NAME") from None

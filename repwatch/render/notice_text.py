"""What every rendering of a notice shares: safe text, cut text, the words a person on call reads first."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from repwatch.model.notice import Notice, NoticeEvent
from repwatch.render.times import duration

ELLIPSIS = "…"
# Marks that reorder what is read (U+202E and kin): in an error text from a server they can make a command look like another.
_REORDERING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
# Controls, lone surrogates, code points that are no characters: no receiver takes them all.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029\x85]")
_LONGEST_TEXT = 6000
_MOST_FACTS = 60
_LONGEST_PLACE = 200
_VERBS = "run|status|drift|repair|reseed|doctor|explain|init|incidents|ack|silence|record|replay"
_SPAN = re.compile(r"`((?:repwatch|[A-Z]{2,}) [^`]+)`(?:[.,;:]\s*|\s*$)")
_COMMAND = re.compile(rf"repwatch ({_VERBS})\b|[A-Z]{{3,}}\s.*;$")
_WORDS = {"errno": "error number", "gtid": "GTID", "uuid": "UUID"}  # in labels
_SHORT_VALUE = 80
_PROSE_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a remedy: prose, or lines to paste."""

    text: str
    is_command: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of evidence with the label a person reads."""

    label: str
    value: str

    @property
    def is_short(self) -> bool:
        """True if it fits a table cell; an error text gets lines of its own."""
        return len(self.value) <= _SHORT_VALUE and "\n" not in self.value


def clean(text: str) -> str:
    """The text without what no message may carry: control characters, lone surrogates, marks that reorder what is read."""
    text = _REORDERING.sub("", _LINE_ENDS.sub("\n", text))
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text).strip()


def bounded(notice: Notice) -> Notice:
    """The notice with no text longer than any message shows, so that rendering takes no longer than sending."""
    evidence = {name[:200]: value[:_LONGEST_TEXT] for name, value in islice(notice.evidence.items(), _MOST_FACTS)}
    return replace(
        notice,
        summary=notice.summary[:_LONGEST_TEXT],
        meaning=notice.meaning[:_LONGEST_TEXT],
        remedy=notice.remedy[:_LONGEST_TEXT],
        avoid=notice.avoid[:_LONGEST_TEXT],
        evidence=evidence,
    )


def one_line(text: str) -> str:
    """The cleaned text with every run of white space as one space."""
    return " ".join(clean(text).split())


def units(text: str) -> int:
    """Length in UTF-16 units, which is how services written in JavaScript count; never less than the code points."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, limit: int, escape: Callable[[str], str] = str) -> str:
    """The escaped text, at most `limit` UTF-16 units long; what does not fit is left out at the end, never half an escape."""
    if units(whole := escape(text)) <= limit:
        return whole
    room, kept = limit - len(ELLIPSIS), list[str]()
    for character in text:
        piece = escape(character)
        room -= units(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + ELLIPSIS if limit > 0 else ""


def stamp(moment: datetime) -> str:
    """`2026-11-22 02:14:05 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def lasted(notice: Notice) -> str:
    """How long the incident has lasted when the notice was made."""
    return duration(notice.at - notice.since)


def where(notice: Notice) -> str:
    """`cluster/server`, with the server's name where it has one, and the channel where it is not the default one."""
    subject = notice.subject
    place = "/".join(part for part in (subject.cluster, notice.server_name or subject.server) if part)
    if not place:
        return "repwatch"
    return cut(one_line(f"{place}, channel {subject.channel}" if subject.channel else place), _LONGEST_PLACE)


def what(notice: Notice) -> str:
    """The summary on one line, without the server's name at its head: that stands beside it already."""
    summary, channel = one_line(notice.summary), notice.subject.channel
    for name in (notice.server_name, notice.subject.server):
        for head in (f"{name} (channel {channel})", name):
            if name and head and summary.startswith((f"{head}: ", f"{head} ")):
                return summary[len(head) :].lstrip(": ")
    return summary


def sentence(text: str) -> str:
    """With a capital letter, for where it stands alone."""
    return text[:1].upper() + text[1:]


def evidence_title(notice: Notice) -> str:
    """Of something that is over, the evidence must not be read as the present state."""
    return "As it last was" if notice.event is NoticeEvent.RESOLVED else "Evidence"


def badge(notice: Notice) -> str:
    """The word a person sees first: the severity, or what became of the incident."""
    severity = notice.severity.value.upper()
    match notice.event:
        case NoticeEvent.OPENED | NoticeEvent.UPDATED:
            return severity
        case NoticeEvent.REMINDER:
            return f"{severity} STILL OPEN"
        case NoticeEvent.ACKNOWLEDGED:
            return f"{severity} ACKNOWLEDGED"
        case NoticeEvent.RESOLVED:
            return "RESOLVED"


def headline(notice: Notice) -> str:
    """`[CRITICAL] shop/db2: what happened`, on one line."""
    return f"[{badge(notice)}] {where(notice)}: {what(notice)}"


def time_line(notice: Notice) -> str:
    """Since when and for how long; of a resolved incident from when to when."""
    if notice.event is NoticeEvent.RESOLVED:
        return f"Since {stamp(notice.since)}, over at {stamp(notice.at)} after {lasted(notice)}"
    return f"Since {stamp(notice.since)}, for {lasted(notice)}"


def facts(notice: Notice) -> list[Fact]:
    """The evidence with labels for people, empty values left out, in the order it was given."""
    return [Fact(_label(name), shown) for name, value in notice.evidence.items() if (shown := clean(value))]


def _label(name: str) -> str:
    words = one_line(name.replace("_", " ").replace("-", " ")).split(" ")
    label = " ".join(_WORDS.get(word, word) for word in words)
    return label[:1].upper() + label[1:]


def passages(remedy: str) -> list[Passage]:
    """A remedy as prose and commands: lines that are commands, and back-ticked ones that end a clause, get lines of their own."""
    found: list[Passage] = []
    for line, is_command in _lines(clean(remedy)):
        if found and found[-1].is_command == is_command:
            found[-1] = Passage(f"{found[-1].text}\n{line}", is_command)
        else:
            found.append(Passage(line, is_command))
    return [Passage(passage.text.strip("\n"), passage.is_command) for passage in found if passage.text.strip()]


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    for line in text.split("\n"):
        bare = line.strip()
        if re.fullmatch(r"`[^`]+`", bare):
            yield _pasteable(bare.strip("`")), True
        elif bare and (line.startswith(("  ", "\t")) or _COMMAND.match(bare)):
            yield bare, True
        else:
            yield from _clauses(bare)


def _clauses(line: str) -> Iterator[tuple[str, bool]]:
    """`Find what differs: <command>. Then …`: the command apart from the prose around it, unless it stands in brackets."""
    position = 0
    for span in _SPAN.finditer(line):
        if line.count("(", 0, span.start()) > line.count(")", 0, span.start()):
            continue
        if before := line[position : span.start()].strip():
            yield before, False
        yield _pasteable(span[1]), True
        position = span.end()
    rest = line[position:].strip()
    if rest or not position:
        yield rest, False


def _pasteable(command: str) -> str:
    """A statement with the semicolon without which a client waits for more."""
    return f"{command};" if re.match(r"[A-Z]{2,} ", command) and not command.endswith(";") else command


def titled(title: str, lines: Sequence[str]) -> list[str]:
    """The lines below a title; nothing where there are none."""
    return ["", title, *(f"  {line}".rstrip() for line in lines)] if lines else []


def wrapped(text: str) -> list[str]:
    """Prose in lines of some width."""
    paragraphs = text.split("\n") if text else []
    return [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(paragraph, _PROSE_WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def remedy_lines(remedy: str) -> list[str]:
    """Prose in lines of some width, commands in lines of their own."""
    lines: list[str] = []
    for passage in passages(remedy):
        if passage.is_command:
            lines += ["", *(f"    {line}" for line in passage.text.split("\n")), ""]
        else:
            lines += wrapped(passage.text)
    return "\n".join(lines).strip("\n").split("\n") if lines else []

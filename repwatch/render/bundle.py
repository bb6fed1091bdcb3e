"""A bundle of notices as text, e-mail and Slack message: how many and how bad, then a line for each, the worst first.

The words are made once, as groups of lines; each form lays them out, and says how many it has left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape as html
from typing import Final

from repwatch.health.storm import urgency
from repwatch.model.finding import Severity
from repwatch.model.notice import Bundle, Notice, NoticeEvent
from repwatch.render.notice_email import AMBER, GREEN, RED, Email, Head, avoid_html, heading, page, remedy_html, soft
from repwatch.render.notice_slack import MAX_JSON, Block, SlackMessage, escape, prose, remedy_blocks, section
from repwatch.render.notice_text import (
    bounded,
    clean,
    cut,
    lasted,
    one_line,
    remedy_lines,
    stamp,
    titled,
    units,
    what,
    where,
    wrapped,
)
from repwatch.render.words import count

_TITLES = ("Critical", "Warning", "Acknowledged", "Over")  # by urgency
_WORDS = ("critical", "warning", "acknowledged", "over")
_EMOJI = ("🔴", "🟠", "🟠", "✅")
_COLOURS = (RED, AMBER, AMBER, GREEN)
_LINE = 170
_KEY = 300
_NAMED_CLUSTERS = 4
_SECTION = 2800
_ALL = "All that is open: `repwatch incidents`, or the status page. `repwatch ack KEY` says that somebody has it."


@dataclass(frozen=True, slots=True)
class Shape:
    """How much a message shows: lines in all, kinds, characters of a line, keys, and a share of what to do."""

    lines: int
    groups: int = 20
    width: int = _LINE
    keys: bool = False
    share: float = 0.6


_MAIL: Final = Shape(400, keys=True)
# To try in turn until Slack takes the message; only exotic scripts and long names need the last ones.
_SHAPES: Final = (
    Shape(1000, keys=True),
    *(Shape(number) for number in (1000, 120, 90, 65, 45, 30, 20)),
    Shape(20, share=0.1),
    Shape(8, groups=8, width=100, share=0.1),
    Shape(3, groups=3, width=60, share=0.1),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One incident."""

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents of one kind."""

    title: str
    lines: tuple[Line, ...]


def headline(bundle: Bundle) -> str:
    """`[CRITICAL] 245 incidents: 230 critical, 15 over; mostly applier-error`."""
    notices = _notices(bundle)
    kinds = Counter(map(urgency, notices))
    parts = ", ".join(f"{kinds[kind]} {_WORDS[kind]}" for kind in sorted(kinds))
    ((code, number),) = Counter(notice.subject.code for notice in notices).most_common(1)
    mostly = f"all {code}" if number == len(notices) else f"mostly {code}" if 2 * number > len(notices) else "of many kinds"
    return f"[{_badge(bundle)}] {count(len(notices), 'incident')}: {parts}; {mostly}"


def groups(bundle: Bundle) -> tuple[Group, ...]:
    """By what a person reads first, then by kind, the larger one first, then by cluster."""
    kinds: dict[tuple[int, str], list[Notice]] = defaultdict(list)
    for notice in _notices(bundle):
        kinds[urgency(notice), notice.subject.code].append(notice)
    ordered = sorted(kinds.items(), key=lambda kind: (kind[0][0], -len(kind[1]), kind[0][1]))
    return tuple(_group(urgent, code, notices, bundle) for (urgent, code), notices in ordered)


def _all(bundle: Bundle) -> str:
    """Where the rest is; all notices of a run have the same page."""
    page = next((notice.links.page.partition("#")[0] for notice in _notices(bundle) if notice.links.page), "")
    return f"{_ALL} The page: {page}" if page else _ALL


def bundle_text(bundle: Bundle) -> str:
    """For a mail's plain part, and where Slack refuses blocks."""
    lines = [headline(bundle), _span(bundle), *wrapped(_all(bundle))]
    if first := _first(bundle):
        lines += titled(_first_title(first), remedy_lines(first.remedy))
        lines += titled("What NOT to do", wrapped(clean(first.avoid)))
    for group, shown in _shares(groups(bundle), _MAIL):
        lines += titled(group.title, [f"{line.text}  [{line.key}]" for line in shown])
        lines += [f"  {left}"] if (left := _left(group, shown)) else []
    return "\n".join([*lines, *_rest(groups(bundle), _MAIL), "", f"Bundle: {bundle.id}"]) + "\n"


def bundle_email(bundle: Bundle) -> Email:
    """Plain text and HTML; nothing is fetched."""
    first, parts = _first(bundle), [soft(_all(bundle))]
    if first:
        parts += [heading(html(_first_title(first))) + remedy_html(first.remedy), avoid_html(first.avoid)]
    for group, shown in _shares(groups(bundle), _MAIL):
        parts += [heading(html(group.title)), *map(_row, shown), soft(_left(group, shown)) if _left(group, shown) else ""]
    parts += map(soft, _rest(groups(bundle), _MAIL))
    text = headline(bundle).partition("] ")[2]
    worst = min(map(urgency, _notices(bundle)))
    head = Head(colour=_COLOURS[worst], badge=_badge(bundle), place=_places(_notices(bundle)), text=text, below=_span(bundle))
    title = cut(headline(bundle), 180)
    return Email(subject=title, text=bundle_text(bundle), html=page(title, head, parts, [f"Bundle: {bundle.id}"]))


def bundle_slack(bundle: Bundle) -> SlackMessage:
    """One message, with as many lines as Slack takes."""
    found, first = groups(bundle), _first(bundle)
    for shape in _SHAPES:
        message = _slack(bundle, found, first, shape)
        if message.size <= MAX_JSON and len(message.blocks) <= 50:
            break
    return message


def bundle_slack_plain(bundle: Bundle) -> SlackMessage:
    """Without blocks: for the day Slack refuses ours."""
    return SlackMessage(text=cut(bundle_text(bundle), 1500, escape), blocks=(), metadata=_metadata(bundle))


def _slack(bundle: Bundle, found: Sequence[Group], first: Notice | None, shape: Shape) -> SlackMessage:
    worst = min(map(urgency, _notices(bundle)))
    title = cut(f"{_EMOJI[worst]} {headline(bundle)}", 150)
    blocks: list[Block] = [{"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}]
    blocks.append(section(f"{_span(bundle)}\n{escape(_all(bundle))}"))
    if first:
        blocks += remedy_blocks(_first_title(first), first.remedy, shape.share)
        blocks += prose(":no_entry: *What not to do*", first.avoid, int(900 * shape.share))
    for group, shown in _shares(found, shape):
        texts = [f"*{escape(group.title)}*", *(_slack_line(line, shape) for line in shown), _left(group, shown)]
        blocks += map(section, _packed(text for text in texts if text))
    blocks += map(section, _rest(found, shape))
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"Bundle {bundle.id}"}]})
    return SlackMessage(text=cut(headline(bundle), 280, escape), blocks=tuple(blocks), metadata=_metadata(bundle))


def _slack_line(line: Line, shape: Shape) -> str:
    shown = f"• {cut(line.text, shape.width, escape)}"
    return f"{shown}\n    `{cut(line.key.replace('`', ' '), _KEY, escape)}`" if shape.keys else shown


def _packed(lines: Iterator[str]) -> Iterator[str]:
    """The lines in as few blocks as they fit into."""
    text = ""
    for line in lines:
        if text and units(text) + units(line) > _SECTION:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    yield text


def _metadata(bundle: Bundle) -> Block:
    return {"event_type": "repwatch_bundle", "event_payload": {"id": bundle.id, "event": "bundle"}}


def _notices(bundle: Bundle) -> list[Notice]:
    return [member.notice for member in bundle.members]


def _badge(bundle: Bundle) -> str:
    notices = _notices(bundle)
    match min(map(urgency, notices)):
        case 0:
            return "CRITICAL"
        case 1:
            return "WARNING"
        case 2:
            return "CRITICAL ACKNOWLEDGED" if any(n.severity is Severity.CRITICAL for n in notices) else "WARNING ACKNOWLEDGED"
        case _:
            return "RESOLVED"


def _span(bundle: Bundle) -> str:
    notices = _notices(bundle)
    began, told = min(notice.since for notice in notices), [notice.at for notice in notices]
    until = "" if min(told) == max(told) else f" to {stamp(max(told))}"
    return f"{_open(notices)}As seen at {stamp(min(told))}{until}; the oldest began at {stamp(began)}. Times are UTC."


def _open(notices: Sequence[Notice]) -> str:
    """How many are left, where some are over."""
    ended = sum(notice.event is NoticeEvent.RESOLVED for notice in notices)
    if not ended:
        return ""
    return f"{len(notices) - ended} of {len(notices)} are still open. " if ended < len(notices) else "All of it is over. "


def _group(urgent: int, code: str, notices: Sequence[Notice], bundle: Bundle) -> Group:
    ordered = sorted(notices, key=lambda each: (each.subject.cluster, each.server_label, each.subject.channel))
    title = f"{_TITLES[urgent]}: {code}, {count(len(notices), 'incident')} in {_places(notices)}"
    return Group(title, tuple(_line(notice, bundle) for notice in ordered))


def _places(notices: Sequence[Notice]) -> str:
    clusters = Counter(one_line(notice.subject.cluster) or "repwatch" for notice in notices)
    if len(clusters) > _NAMED_CLUSTERS:
        return count(len(clusters), "cluster")
    return ", ".join(cut(name, 40) + (f" ({number})" if number > 1 else "") for name, number in sorted(clusters.items()))


def _line(notice: Notice, bundle: Bundle) -> Line:
    when = stamp(notice.since).removesuffix(" UTC")
    since = when.removeprefix(f"{bundle.at:%Y-%m-%d} ")
    match notice.event:
        case NoticeEvent.RESOLVED:
            tail = f", over after {lasted(notice)}"
        case NoticeEvent.REMINDER:
            tail = f", still open since {since}"
        case NoticeEvent.ACKNOWLEDGED:
            tail = f", since {since}; {one_line(notice.evidence.get('acknowledged_by', 'somebody'))[:60]} has it"
        case NoticeEvent.OPENED | NoticeEvent.UPDATED:
            tail = f", since {since}"
    place = where(notice)
    room = max(40, _LINE - len(place) - len(tail) - 2)
    return Line(f"{place}: {cut(what(notice), room)}{tail}", cut(one_line(notice.subject.key), _KEY))


def _first(bundle: Bundle) -> Notice | None:
    """The one to begin with, where all that is wrong is of one kind."""
    wrong = [notice for notice in _notices(bundle) if urgency(notice) < 2]
    if len({notice.subject.code for notice in wrong}) != 1 or not clean(wrong[0].remedy):
        return None
    return bounded(min(wrong, key=lambda each: (urgency(each), each.since, each.subject.key)))


def _first_title(first: Notice) -> str:
    return cut(f"What to do first, for {where(first)}", 120)


def _shares(found: Sequence[Group], shape: Shape) -> Iterator[tuple[Group, tuple[Line, ...]]]:
    """The groups with the lines that are shown: of each one, and of the first ones as many as there is room for."""
    shown = found[: shape.groups]
    room = max(0, shape.lines - len(shown))
    for group in shown:
        more = min(room, len(group.lines) - 1)
        room -= more
        yield group, group.lines[: 1 + more]


def _left(group: Group, shown: Sequence[Line]) -> str:
    left = len(group.lines) - len(shown)
    return f"… and {left} more" if left else ""


def _rest(found: Sequence[Group], shape: Shape) -> list[str]:
    left = sum(len(group.lines) for group in found[shape.groups :])
    return [f"… and {count(left, 'incident')} of other kinds"] if left else []


def _row(line: Line) -> str:
    return (
        '<div class="ink" style="margin-top:6px;font-size:14px;line-height:1.4;color:#1d2329;overflow-wrap:anywhere">'
        f'{html(line.text)}<br><span class="soft" style="font-size:12px;color:#5b6570">{html(line.key)}</span></div>'
    )

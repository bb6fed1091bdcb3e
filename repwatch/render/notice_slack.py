"""A notice as Slack messages: the incident's root message, replies in its thread, the root rewritten as things change.

Limits of Block Kit: header 150, section 3,000, 10 fields of 2,000, 50 blocks. Beyond about 13,200 characters of JSON Slack
answers `msg_blocks_too_long`, which its reference does not mention. Lengths are counted pessimistically (UTF-16, JSON in ASCII).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from repwatch.model.finding import Severity
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.render.notice_more import acknowledge_command, explain_command, impact_facts, reading
from repwatch.render.notice_plain import plain_text
from repwatch.render.notice_text import (
    Fact,
    badge,
    bounded,
    clean,
    cut,
    evidence_title,
    facts,
    headline,
    lasted,
    one_line,
    passages,
    sentence,
    stamp,
    time_line,
    units,
    what,
    where,
)

Block = dict[str, object]
ACKNOWLEDGE = "repwatch_acknowledge"
"""The button's action_id."""
MAX_JSON = 12_900
_HEADER = 150
_BUTTON_VALUE = 1000
_MAX_FIELDS = 10
_LONGEST_COMMAND = 400
_LONGEST_LINK = 1300  # two of them in one block
_MAX_LONG_FACTS = 3
_MAX_PASSAGES = 16
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
# Shares of the full text to try in turn, until the message fits: only exotic scripts and endless errors need more than the first.
_SHARES = (1.0, 0.6, 0.35, 0.2, 0.1, 0.04)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """What is posted. `text` is the push notification, and what is read where blocks are not shown."""

    text: str
    blocks: tuple[Block, ...]
    metadata: Block

    def payload(self) -> Block:
        """Text and blocks as an incoming webhook takes them; metadata goes with a bot token alone."""
        return {"text": self.text, "blocks": list(self.blocks)}

    @property
    def size(self) -> int:
        """Characters of JSON, every character outside ASCII escaped."""
        return len(json.dumps([self.text, self.blocks, self.metadata]))


def root(notice: Notice, *, button: bool = False) -> SlackMessage:
    """The message that stands for the incident in the channel: its present state, whatever the notice's event.

    `button`: with one to acknowledge it, while nobody has.
    """
    notice = bounded(notice)
    if notice.event is NoticeEvent.RESOLVED:
        return _fitted(notice, lambda share: [*_head(notice, share), *_past(notice), *_evidence(notice, share)])
    return _fitted(
        notice,
        lambda share: [
            *_head(notice, share),
            *prose("*What it means*", notice.meaning, int(1200 * share)),
            *_impact(notice, share),
            *remedy_blocks("What to do", notice.remedy, share),
            *prose(":no_entry: *What not to do*", notice.avoid, int(900 * share)),
            *_evidence(notice, share),
            *(_button(notice) if button else _command(notice)),
            *_reading(notice, share),
        ],
    )


def _button(notice: Notice) -> Iterator[Block]:
    key = notice.subject.key
    if "acknowledged_by" in notice.evidence or key != clean(key) or not 0 < units(key) <= _BUTTON_VALUE:
        return
    text = {"type": "plain_text", "text": "Acknowledge", "emoji": False}
    yield {"type": "actions", "elements": [{"type": "button", "action_id": ACKNOWLEDGE, "text": text, "value": key}]}


def _command(notice: Notice) -> Iterator[Block]:
    if (command := acknowledge_command(notice)) and units(command) <= _LONGEST_COMMAND:
        yield {"type": "rich_text", "elements": [_rich("To say that somebody has it:"), _preformatted(command)]}


def _reading(notice: Notice, share: float) -> Iterator[Block]:
    """Their URLs are encoded: nothing in them ends the link. One that does not fit is left out, for half of it leads nowhere."""
    longest = _LONGEST_LINK if share > 0.3 else _LONGEST_LINK // 4
    links = [shown for link in reading(notice) if len(shown := f"<{escape(link.url)}|{link.label}>") <= longest]
    links += [f"`{command}`"] if (command := explain_command(notice)) else []
    if links:
        yield section(f"*To read more:* {'  ·  '.join(links)}")


def _impact(notice: Notice, share: float) -> Iterator[Block]:
    if known := impact_facts(notice):
        yield section("*Impact*")
        yield {"type": "section", "fields": [_field(fact, share) for fact in known]}


def reply(notice: Notice) -> SlackMessage:
    """What is said in the incident's thread; the root message above it carries the details."""
    notice = bounded(notice)
    opening = {
        NoticeEvent.OPENED: f"*Open* since {stamp(notice.since)}",
        NoticeEvent.UPDATED: f"*Changed* at {stamp(notice.at)}, {lasted(notice)} after it began",
        NoticeEvent.ACKNOWLEDGED: f"*Acknowledged* at {stamp(notice.at)}, {lasted(notice)} after it began",
        NoticeEvent.REMINDER: f"*Still open* after {lasted(notice)}. What to do stands in the message above.",
        NoticeEvent.RESOLVED: f"{_emoji(notice)} *Resolved* at {stamp(notice.at)} after {lasted(notice)}. It was:",
    }[notice.event]
    evidence = notice.event in {NoticeEvent.UPDATED, NoticeEvent.ACKNOWLEDGED}
    return _fitted(
        notice,
        lambda share: [
            section(f"{opening}\n{cut(sentence(what(notice)), int(1500 * share), escape)}"),
            *(_evidence(notice, share) if evidence else ()),
        ],
    )


def plain(notice: Notice) -> SlackMessage:
    """Without blocks: for the day Slack refuses ours."""
    text, metadata = plain_text(notice), _metadata(notice)
    return _first_that_fits(
        SlackMessage(text=cut(text, int(3500 * share), escape), blocks=(), metadata=metadata) for share in _SHARES
    )


def escape(text: str) -> str:
    """Slack's three control characters; without this `<!channel>` in an error text would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fitted(notice: Notice, body: Callable[[float], list[Block]]) -> SlackMessage:
    text, metadata, reference = cut(headline(notice), 280, escape), _metadata(notice), _reference(notice)
    return _first_that_fits(SlackMessage(text=text, blocks=(*body(share), reference), metadata=metadata) for share in _SHARES)


def _first_that_fits(messages: Iterator[SlackMessage]) -> SlackMessage:
    """The last one is small enough for any notice; a property test holds that."""
    for message in messages:
        if message.size <= MAX_JSON:
            return message
    return message


def _head(notice: Notice, share: float) -> Iterator[Block]:
    title = f"{_emoji(notice)} {badge(notice)} {where(notice)}: {what(notice)}"
    shown = cut(title, _HEADER)
    yield {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}
    if shown != title and (summary := cut(what(notice), int(1500 * share) + 50, escape)):
        yield section(summary)
    server = f"*{cut(one_line(notice.server_label), 200, escape)}*\n" if notice.server_label else ""
    yield section(f"{server}{time_line(notice)} {_local_time(notice)}")


def _local_time(notice: Notice) -> str:
    """Slack shows this in the reader's own time zone; the text after the bar is for clients that do not."""
    fallback = stamp(notice.since)
    return f"(began <!date^{int(notice.since.timestamp())}^{{date_short_pretty}} {{time}} your time|{fallback}>)"


def _emoji(notice: Notice) -> str:
    if notice.event is NoticeEvent.RESOLVED:
        return "✅"
    return "🔴" if notice.severity is Severity.CRITICAL else "🟠"


def prose(title: str, text: str, limit: int) -> Iterator[Block]:
    """A titled paragraph; nothing where there is no text. `title` is markup."""
    if shown := cut(clean(text), limit, escape):
        yield section(f"{title}\n{shown}")


def remedy_blocks(title: str, remedy: str, share: float) -> Iterator[Block]:
    """One block, in which nothing is markup: commands are pasted as they are."""
    elements, room = [_rich(title, {"bold": True})], int(2500 * share)
    for passage in passages(remedy)[:_MAX_PASSAGES]:
        if shown := cut(passage.text, room):
            elements.append(_preformatted(shown) if passage.is_command else _rich(shown))
        room -= len(shown)
    if len(elements) > 1:
        yield {"type": "rich_text", "elements": elements}


def _past(notice: Notice) -> Iterator[Block]:
    if facts(notice):
        yield section(f"*{evidence_title(notice)}*")


def _evidence(notice: Notice, share: float) -> Iterator[Block]:
    known = facts(notice)
    fields = [_field(fact, share) for fact in known if fact.is_short][: _MAX_FIELDS if share > 0.3 else 4]
    if fields:
        yield {"type": "section", "fields": fields}
    for fact in [fact for fact in known if not fact.is_short][: _MAX_LONG_FACTS if share > 0.3 else 1]:
        label = _rich(cut(fact.label, 40) or "Evidence", {"bold": True})
        yield {"type": "rich_text", "elements": [label, _preformatted(cut(fact.value, int(1000 * share)))]}


def _field(fact: Fact, share: float) -> Block:
    label, value = cut(fact.label, int(80 * share) + 10, escape), cut(fact.value, int(400 * share), escape)
    shown = value if "`" in value else f"`{value}`"
    return {"type": "mrkdwn", "text": f"*{label}*\n{shown}"}


def _reference(notice: Notice) -> Block:
    key, number = cut(one_line(notice.subject.key), 200, escape), cut(one_line(notice.id), 80, escape)
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": f"Incident {key}  ·  notice {number}"}]}


def _metadata(notice: Notice) -> Block:
    payload = {"id": cut(one_line(notice.id), 80), "key": cut(one_line(notice.subject.key), 200), "event": notice.event.value}
    return {"event_type": "repwatch_notice", "event_payload": payload}


def section(text: str) -> Block:
    """A block of markup."""
    # `expand` keeps Slack from folding a long text behind "see more": at night one more click is one too many.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, "expand": True}


def _rich(text: str, style: Mapping[str, bool] | None = None) -> Block:
    """A paragraph; what stands between back-ticks is shown as code."""
    runs = [(piece, number % 2 == 1) for number, piece in enumerate(_INLINE_CODE.split(text))]
    elements = [_run(piece, {"code": True} if is_code else style) for piece, is_code in runs if piece]
    return {"type": "rich_text_section", "elements": elements}


def _preformatted(text: str) -> Block:
    return {"type": "rich_text_preformatted", "elements": [_run(text)]}


def _run(text: str, style: Mapping[str, bool] | None = None) -> Block:
    return {"type": "text", "text": text, "style": dict(style)} if style else {"type": "text", "text": text}

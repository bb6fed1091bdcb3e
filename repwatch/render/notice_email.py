"""A notice as an e-mail: subject, plain text, HTML. Styles stand inline and nothing is fetched, so every client shows the same.

The colours are chosen to be read on white and on near-black alike; the one style sheet only darkens the page where a client
honours `prefers-color-scheme`, and a client that drops it shows the light page.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from repwatch.model.finding import Severity
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.render.notice_more import acknowledge_command, explain_command, impact_facts, reading
from repwatch.render.notice_plain import plain_text, reference_lines
from repwatch.render.notice_text import (
    Fact,
    badge,
    bounded,
    clean,
    cut,
    evidence_title,
    facts,
    headline,
    passages,
    sentence,
    time_line,
    what,
    where,
)

_SUBJECT = 180
_PROSE = 3000
_COMMAND = 4000
_FACT = 3000
_MAX_FACTS = 40
_MAX_PASSAGES = 30
RED, AMBER, GREEN = "#b3261e", "#a15c00", "#1a7f4b"
FONT = "font-family:-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_LINK = "margin-top:6px;font-size:14px;color:#5b6570;overflow-wrap:anywhere"
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
_DARK = """
@media (prefers-color-scheme: dark) {
  .page { background: #111417 !important; }
  .card { background: #1b2026 !important; border-color: #343b44 !important; }
  .ink { color: #e8eaed !important; }
  .soft { color: #a9b1bb !important; }
  .code { background: #0e1114 !important; border-color: #343b44 !important; color: #e8eaed !important; }
  .row { border-color: #343b44 !important; }
  .avoid { background: #3a1d1b !important; border-color: #d9534a !important; }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """The three texts of a mail; headers and addresses are the sender's business."""

    subject: str
    text: str
    html: str


def email(notice: Notice) -> Email:
    """Render the notice."""
    notice = bounded(notice)
    return Email(subject=cut(headline(notice), _SUBJECT), text=plain_text(notice), html=_html(notice))


def _html(notice: Notice) -> str:
    resolved = notice.event is NoticeEvent.RESOLVED
    meaning = "" if resolved else clean(notice.meaning)
    parts = [
        heading("What it means") + paragraph(meaning) if meaning else "",
        _evidence("Impact", [] if resolved else impact_facts(notice)),
        "" if resolved else heading("What to do") + remedy_html(notice.remedy) if passages(notice.remedy) else "",
        "" if resolved else avoid_html(notice.avoid),
        _evidence(evidence_title(notice), facts(notice)[:_MAX_FACTS]),
        heading("To say that somebody has it") + _code(command, _COMMAND) if (command := acknowledge_command(notice)) else "",
        _reading(notice),
    ]
    head = Head(
        colour=_colour(notice), badge=badge(notice), place=where(notice), text=sentence(what(notice)), below=time_line(notice)
    )
    return page(cut(headline(notice), _SUBJECT), head, parts, reference_lines(notice))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands at the top of a mail, in its colour, and the line below. Plain texts."""

    colour: str
    badge: str
    place: str
    text: str
    below: str


def page(title: str, head: Head, parts: Iterable[str], reference: Iterable[str]) -> str:
    """The whole page. `parts` are HTML, empty ones left out; everything else is text."""
    body = "".join(part + chr(10) for part in (_headline(head), *parts, _reference(reference)) if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(title)}</title><style>{_DARK}</style></head>\n"
        f'<body class="page" style="margin:0;padding:0;background:#f2f4f6;{FONT}">'
        '<div class="page" style="background:#f2f4f6;padding:12px 8px">'
        '<div class="card" style="max-width:640px;margin:0 auto;background:#ffffff;border:1px solid #d7dce1;border-radius:8px;'
        f'overflow:hidden">\n{body}</div></div></body></html>\n'
    )


def _colour(notice: Notice) -> str:
    return GREEN if notice.event is NoticeEvent.RESOLVED else RED if notice.severity is Severity.CRITICAL else AMBER


def _headline(head: Head) -> str:
    return (
        f'<div style="background:{head.colour};padding:14px 18px;color:#ffffff">'
        f'<div style="font-size:13px;font-weight:700;letter-spacing:.06em">{_shown(head.badge, 60)}</div>'
        f'<div style="font-size:15px;margin-top:2px">{_shown(head.place, 300)}</div>'
        '<div style="font-size:20px;line-height:1.3;font-weight:700;margin-top:6px;overflow-wrap:anywhere">'
        f"{_shown(head.text, 600)}</div></div>"
        f'<div style="padding:14px 18px 18px">{soft(head.below)}'
    )


def remedy_html(remedy: str) -> str:
    """What to do: prose, and commands to paste."""
    found = passages(remedy)[:_MAX_PASSAGES]
    return "".join(_code(passage.text, _COMMAND) if passage.is_command else paragraph(passage.text) for passage in found)


def avoid_html(avoid: str) -> str:
    """What not to do, with its title; nothing where there is nothing."""
    if not (text := clean(avoid)):
        return ""
    return (
        '<div class="avoid" style="margin:18px 0 0;padding:10px 14px;background:#fdeceb;border-left:4px solid #b3261e">'
        f'<div class="ink" style="font-size:15px;font-weight:700;color:#1d2329">What not to do</div>{paragraph(text)}</div>'
    )


def _evidence(title: str, known: list[Fact]) -> str:
    if not known:
        return ""
    short = "".join(_row(fact) for fact in known if fact.is_short)
    table = (
        f'<table role="presentation" cellpadding="0" cellspacing="0" style="width:100%;border-collapse:collapse">{short}</table>'
    )
    long = "".join(soft(fact.label) + _code(fact.value, _FACT) for fact in known if not fact.is_short)
    return heading(title) + (table if short else "") + long


def _reading(notice: Notice) -> str:
    """Links that a person may follow; the address is the text, so that nobody is led astray."""
    links = [f'{escape(each.label)}: <a href="{escape(each.url)}">{escape(each.url)}</a>' for each in reading(notice)]
    shown = "".join(f'<div class="soft" style="{_LINK}">{link}</div>' for link in links)
    shown += _code(command, _COMMAND) if (command := explain_command(notice)) else ""
    return heading("To read more") + shown if shown else ""


def _row(fact: Fact) -> str:
    cell = "padding:6px 12px 6px 0;border-bottom:1px solid #e3e7ea;vertical-align:top;font-size:14px;line-height:1.4"
    return (
        f'<tr><td class="soft row" style="{cell};color:#5b6570;width:34%">{_shown(fact.label, 200)}</td>'
        f'<td class="ink row" style="{cell};color:#1d2329;{_MONO};overflow-wrap:anywhere">{_shown(fact.value, _FACT)}</td></tr>'
    )


def _reference(found: Iterable[str]) -> str:
    lines = "<br>".join(_shown(line, 400) for line in found)
    return (
        '<div class="soft row" style="margin-top:20px;padding-top:12px;border-top:1px solid #e3e7ea;'
        f'font-size:12px;line-height:1.5;color:#5b6570;overflow-wrap:anywhere">{lines}</div></div>'
    )


def heading(text: str) -> str:
    """A title between parts; `text` is HTML."""
    return f'<div class="ink" style="margin:18px 0 4px;font-size:15px;font-weight:700;color:#1d2329">{text}</div>'


def soft(text: str) -> str:
    """A line of less weight."""
    return f'<div class="soft" style="margin-top:6px;font-size:14px;color:#5b6570">{_shown(text, 300)}</div>'


def paragraph(text: str) -> str:
    """Prose, with what stands between back-ticks as code."""
    code = f'<code style="{_MONO};font-size:15px">'
    shown = _INLINE_CODE.sub(lambda found: f"{code}{found[1]}</code>", _shown(text, _PROSE)).replace("\n", "<br>")
    return f'<div class="ink" style="font-size:16px;line-height:1.45;color:#1d2329;overflow-wrap:anywhere">{shown}</div>'


def _code(text: str, limit: int) -> str:
    return (
        f'<pre class="code" style="margin:8px 0;padding:10px 12px;background:#f2f4f6;border:1px solid #d7dce1;border-radius:6px;'
        f'color:#1d2329;{_MONO};font-size:14px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{_shown(text, limit)}</pre>"
    )


def _shown(text: str, limit: int) -> str:
    return cut(text, limit, escape)

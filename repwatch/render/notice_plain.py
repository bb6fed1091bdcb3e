"""A notice as plain text, and the lines by which it is found in a log."""

from repwatch.model.notice import Notice, NoticeEvent
from repwatch.render.notice_more import acknowledge_command, explain_command, impact_facts, reading
from repwatch.render.notice_text import (
    Fact,
    badge,
    bounded,
    clean,
    cut,
    evidence_title,
    facts,
    one_line,
    remedy_lines,
    sentence,
    time_line,
    titled,
    what,
    where,
    wrapped,
)

_LONGEST_WHOLE = 20_000
_LONGEST_KEY = 300


def plain_text(notice: Notice) -> str:
    """The whole notice for a terminal, a text mail or a log; at most _LONGEST_WHOLE characters."""
    notice = bounded(notice)
    parts = [f"{badge(notice)}  {where(notice)}", sentence(what(notice)), "", time_line(notice)]
    if notice.event is not NoticeEvent.RESOLVED:
        parts += titled("What it means", wrapped(clean(notice.meaning)))
        parts += titled("Impact", _lines(impact_facts(notice)))
        parts += titled("What to do", remedy_lines(notice.remedy))
        parts += titled("What NOT to do", wrapped(clean(notice.avoid)))
    parts += titled(evidence_title(notice), _lines(facts(notice)))
    parts += titled("To say that somebody has it", _given(acknowledge_command(notice)))
    parts += titled(
        "To read more", [*(f"{link.label}: {link.url}" for link in reading(notice)), *_given(explain_command(notice))]
    )
    parts += ["", *reference_lines(notice)]
    return cut("\n".join(parts), _LONGEST_WHOLE) + "\n"


def reference_lines(notice: Notice) -> list[str]:
    """Server, incident key and notice id: what one looks for in a log."""
    pairs = [("Server", notice.server_label), ("Incident", notice.subject.key), ("Notice", notice.id)]
    return [f"{name}: {shown}" for name, value in pairs if (shown := cut(one_line(value), _LONGEST_KEY))]


def _given(line: str) -> list[str]:
    return [line] if line else []


def _lines(known: list[Fact]) -> list[str]:
    return [line for fact in known for line in _fact_lines(fact)]


def _fact_lines(fact: Fact) -> list[str]:
    if fact.is_short:
        return [f"{fact.label}: {fact.value}"]
    return [f"{fact.label}:", *(f"  {line}" for line in wrapped(fact.value))]

"""What stands beside a notice's own texts: its impact, how to acknowledge it, where to read more."""

import shlex
from dataclasses import dataclass
from datetime import timedelta

from repwatch.model.impact import Impact, Names
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.render.notice_text import Fact, clean, cut, one_line, stamp
from repwatch.render.times import duration
from repwatch.render.words import count

_NAMED = 4
_NAME = 60


def impact_facts(notice: Notice) -> list[Fact]:
    """What is known of it, and nothing else."""
    impact = notice.impact
    if impact is None:
        return []
    texts = {
        "Behind": _behind(notice, impact),
        "Not applied": _missing(impact.transactions_missing),
        "Its source keeps that": _kept(notice, impact.purge_seconds_left),
        "Replicas below it": _names(impact.below),
        "Have applied all they received": _names(impact.complete, "none is seen to have") if impact.complete else "",
        "Replicas that are well": _good(impact),
    }
    return [Fact(label, text) for label, text in texts.items() if text]


def _behind(notice: Notice, impact: Impact) -> str:
    if impact.lag_seconds is None:
        return ""
    span = timedelta(seconds=max(0.0, min(impact.lag_seconds, 1e9)))
    least = "at least " if impact.lag_at_least else ""
    if span >= timedelta(seconds=1):
        return f"{least}{duration(span)}, since {stamp(notice.at - span)}"
    return "" if least else "0 s"  # at least nothing says nothing


def _missing(number: int | None) -> str:
    if number is None:
        return ""
    return f"{count(number, 'transaction')} of its source" if number else "nothing that its source has written"


def _kept(notice: Notice, seconds: float | None) -> str:
    if seconds is None:
        return ""
    span = timedelta(seconds=min(seconds, 1e9))
    return f"for {duration(span)}, until {stamp(notice.at + span)}" if seconds else "no longer, it may go at any time"


def _names(names: Names, none: str = "") -> str:
    shown = [cut(one_line(name), _NAME) for name in names.first[:_NAMED]]
    left = names.count - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "") if names.count else none


def _good(impact: Impact) -> str:
    if not impact.others:
        return "there is no other replica"
    if impact.good.count:
        return f"{_names(impact.good)} ({impact.good.count} of {count(impact.others, 'other')})"
    return f"none of {count(impact.others, 'other')}" if impact.complete is None else ""


def impact_data(notice: Notice) -> dict[str, str]:
    """The same for machines, as flat texts beside the evidence; of names the first few, with their number."""
    impact = notice.impact
    if impact is None:
        return {}
    known: dict[str, object] = {
        "lag_seconds": None if impact.lag_seconds is None else f"{impact.lag_seconds:.1f}",
        "lag_at_least": "yes" if impact.lag_at_least else None,
        "transactions_missing": impact.transactions_missing,
        "purge_seconds_left": None if impact.purge_seconds_left is None else f"{impact.purge_seconds_left:.0f}",
        "others": impact.others,
    }
    for name, names in (("below", impact.below), ("complete", impact.complete), ("good", impact.good)):
        known |= {f"{name}_count": names.count, name: ", ".join(names.first)} if names else {}
    return {f"impact_{name}": str(value) for name, value in known.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Link:
    """A place to read more, by its name."""

    label: str
    url: str


def reading(notice: Notice) -> list[Link]:
    """Where more is to be read. Of what is over the status page shows nothing any more."""
    over = notice.event is NoticeEvent.RESOLVED
    pairs = [("Status page", "" if over else notice.links.page), ("Runbook", notice.links.runbook)]
    return [Link(label, url) for label, url in pairs if url]


def link_data(notice: Notice) -> dict[str, str]:
    """The same for machines."""
    return {f"link_{link.label.lower().replace(' ', '_')}": link.url for link in reading(notice)}


def explain_command(notice: Notice) -> str:
    """What tells more where there is no runbook; "" where there is one, or it is over."""
    told = notice.event is NoticeEvent.RESOLVED or notice.links.runbook
    return "" if told else f"repwatch explain {notice.subject.code}"


def acknowledge_command(notice: Notice) -> str:
    """What to paste to say that somebody has it; "" where somebody has, or it is over."""
    if notice.event in (NoticeEvent.ACKNOWLEDGED, NoticeEvent.RESOLVED) or "acknowledged_by" in notice.evidence:
        return ""
    key = notice.subject.key
    return f"repwatch ack {shlex.quote(key)}" if key == clean(key) else ""

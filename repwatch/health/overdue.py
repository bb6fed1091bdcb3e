"""Of a receiver that does not get what it is owed though it refuses nothing: nothing reaches it, or it puts repwatch off."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from repwatch.model.finding import Finding, FindingCode, Severity, Subject

TOO_LONG = timedelta(minutes=10)
"""For so long a receiver may take nothing of what it is owed before others are told."""
STUCK = timedelta(minutes=30)
"""For so long a notice may be offered again and again while others go through. A queue that moves has got it through by then."""
FIRST_TRIES = timedelta(minutes=1)
"""A start has so long to get through what was stuck before it: the attempt that may do so has only begun."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """What a receiver is owed: since when, and what became of the last attempt. `stuck`: it takes others.

    That is the key of the incident of which it does not learn then.
    """

    receiver: str
    since: datetime
    text: str
    stuck: str = ""


def unheard(owed: Overdue, now: datetime) -> Finding:
    """It ends as soon as the receiver has what it was owed."""
    minutes = round((now - owed.since).total_seconds() / 60)
    return _stuck(owed, minutes) if owed.stuck else _silent(owed, minutes)


def _silent(owed: Overdue, minutes: int) -> Finding:
    return Finding(
        subject=_subject(owed),
        severity=Severity.CRITICAL,
        summary=f"{owed.receiver} has taken nothing while a notice waits for {minutes} min: {owed.text}",
        meaning="The receiver cannot be reached, or puts off what repwatch sends: whoever relies on it is told of nothing.",
        remedy="See whether repwatch's host reaches the receiver, and whether its secret can be read. What waits is sent as soon "
        "as the receiver takes it; nothing has to be restarted.",
        evidence={"receiver": owed.receiver, "answer": owed.text, "waiting_since": owed.since.isoformat()},
        settled=False,
    )


def _stuck(owed: Overdue, minutes: int) -> Finding:
    return Finding(
        subject=_subject(owed),
        severity=Severity.CRITICAL,
        summary=f"{owed.receiver} takes other notices, but one about {owed.stuck} has failed for {minutes} min: {owed.text}",
        meaning="The receiver fails over this notice again and again; or it was away, is back, and this notice has not had its "
        "next turn yet. Whoever relies on it does not know of it, nor of what comes later about the same condition: that waits "
        "behind it.",
        remedy="It is sent again every few minutes: wait for that if the receiver was away. Else read the incident with "
        "`repwatch incidents`, then the receiver's own log for what it does not like in the notice; nothing has to be restarted.",
        evidence={
            "receiver": owed.receiver,
            "answer": owed.text,
            "waiting_since": owed.since.isoformat(),
            "incident": owed.stuck,
        },
        settled=False,
        patience=FIRST_TRIES,
    )


def untold(finding: Finding) -> Finding:
    """The same of a receiver beside which nobody is told: it has to be looked for."""
    return replace(
        finding,
        summary=f"{finding.summary}; no other receiver is told of this",
        meaning=f"{finding.meaning} Only the page and `repwatch status` tell of it.",
        evidence={**finding.evidence, "told_to": "nobody"},
    )


def _subject(owed: Overdue) -> Subject:
    return Subject("", "", owed.receiver, FindingCode.RECEIVER_UNDELIVERABLE)

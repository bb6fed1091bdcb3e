"""Of a receiver that gets nothing though nobody refuses: it cannot be reached, or puts repwatch off again and again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from repwatch.model.finding import Finding, FindingCode, Severity, Subject

TOO_LONG = timedelta(minutes=10)
"""For so long a receiver may take nothing of what it is owed before others are told."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """What a receiver that takes nothing is owed: since when, and what became of the last attempt."""

    receiver: str
    since: datetime
    text: str


def unheard(owed: Overdue, now: datetime) -> Finding:
    """It ends as soon as the receiver has what it was owed."""
    minutes = round((now - owed.since).total_seconds() / 60)
    return Finding(
        subject=Subject("", "", owed.receiver, FindingCode.RECEIVER_UNDELIVERABLE),
        severity=Severity.CRITICAL,
        summary=f"{owed.receiver} has taken nothing while a notice waits for {minutes} min: {owed.text}",
        meaning="The receiver cannot be reached, or puts off what repwatch sends: whoever relies on it is told of nothing.",
        remedy="See whether repwatch's host reaches the receiver, and whether its secret can be read. What waits is sent as soon "
        "as the receiver takes it; nothing has to be restarted.",
        evidence={"receiver": owed.receiver, "answer": owed.text, "waiting_since": owed.since.isoformat()},
        settled=False,
    )

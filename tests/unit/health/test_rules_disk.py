"""A disk without space, as the server says it itself and as only its process list shows it."""

from typing import Any

import pytest

from repwatch.health.incident import Incident, Look, LookKind, Phase, step
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ProbeFailure, ThreadWait
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, star, unobserved, world

MY = Flavour.MYSQL


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"receiver_wait": ThreadWait.DISK}, ["disk-full"]),
        ({"applier_text": "Waiting for disk space"}, ["disk-full"]),
        ({"applier_text": "Waiting for someone to free space"}, ["disk-full"]),
        ({"receiver_wait": ThreadWait.RELAY_SPACE}, ["relay-space-full"]),
        ({"applier_text": "Waiting for the next event in relay log"}, []),
    ],
)
def test_a_server_that_says_it(changes: dict[str, Any], found: list[str]) -> None:
    source, _, other = star(MY)
    made = world([source, observation(MY, 2, channel(MY, 1, **changes)), other])
    assert [each.subject.code.value for each in diagnose(made)] == found


def test_a_server_whose_status_hangs() -> None:
    source, _, other = star(Flavour.MARIADB)
    (found,) = diagnose(world([source, unobserved(ProbeFailure.DISK_FULL), other]))
    assert (found.subject.code, found.evidence["status"]) == (FindingCode.DISK_FULL, "hangs")


def test_it_takes_the_place_of_a_timeout() -> None:
    """Blindness with a reason is more than blindness; and what hides behind it is not resolved by it."""
    source, _, other = star(MY)
    everyone = frozenset(f"10.0.0.{n}:3306" for n in (1, 2, 3))
    look = Look(at=NOW, kind=LookKind.POLL, asked=everyone, observed=everyone - {"10.0.0.2:3306"})
    late = diagnose(world([source, unobserved(ProbeFailure.TIMED_OUT), other]))
    full = diagnose(world([source, unobserved(ProbeFailure.DISK_FULL), other]))
    known: list[Incident] = []
    for findings in (late, late, full, full):
        known = [change.after for change in step(known, findings, look, {}) if change.after is not None]
    phases = {incident.subject.code: incident.phase for incident in known}
    assert phases == {FindingCode.SERVER_UNREACHABLE: Phase.RESOLVED, FindingCode.DISK_FULL: Phase.OPEN}

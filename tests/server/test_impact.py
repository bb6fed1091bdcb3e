"""What an incident on real servers means for those that are left."""

import time
from collections.abc import Callable

from repwatch.health.impact import impact_of
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.impact import Impact, Names
from repwatch.sandbox import Sandbox
from tests.server.diagnosing import Watcher, watching
from tests.server.watching import PATIENT, collide


def told(watcher: Watcher, code: FindingCode, name: str) -> Impact | None:
    """The impact of that finding on that server as of a new look, None if it is not found."""
    world = watcher.look()
    findings = diagnose(world)
    names = {str(spec.endpoint.address): spec.label for spec in watcher.cluster.servers}
    found = [each for each in findings if (each.subject.code, names.get(each.subject.server)) == (code, name)]
    return impact_of(world, findings, found[0]) if found else None


def expect(watcher: Watcher, code: FindingCode, name: str, holds: Callable[[Impact], bool]) -> None:
    """Look until it holds."""
    deadline = time.monotonic() + PATIENT
    impact: Impact | None = None
    while impact is None or not holds(impact):
        assert time.monotonic() < deadline, impact
        impact = told(watcher, code, name)


def test_a_replica_stands_then_its_source_is_lost(fresh_star: Sandbox) -> None:
    box = fresh_star
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    box.wait_caught_up(PATIENT)
    with watching(box) as watcher:
        watcher.look()
        collide(box, box.replicas[0], "w", 1)
        box.source.sql("INSERT INTO w.t VALUES (2)")
        other = Names.of(["replica2"])
        expect(
            watcher,
            FindingCode.APPLIER_ERROR,
            "replica1",
            lambda impact: (impact.good, impact.others, impact.transactions_missing) == (other, 1, 2),
        )
        box.source.kill()
        both = Names.of(["replica1", "replica2"])
        expect(
            watcher,
            FindingCode.SERVER_UNREACHABLE,
            "source",
            lambda impact: (impact.below, impact.complete, impact.good) == (both, other, Names()),
        )

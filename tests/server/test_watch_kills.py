"""`kill -9` of `repwatch run` at random moments, through whole outages.

Invariant: for a receiver that drops repeated ids, each outage is opened once and resolved once; one id is one text for ever.
"""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins import Misbehaviour
from repwatch.sandbox.standins_webhook import CaughtPost, WebhookCatcher
from tests.conftest import start
from tests.server.watching import PATIENT, Service, collide, mend, until

measured = logging.getLogger("measured")

OUTAGES = 4
LONGEST_LIFE = 2.5  # seconds after its start


@pytest.fixture
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A replica for each outage: what comes back on one of them would be held open for a while."""
    with start(flavour, replicas=OUTAGES) as started:
        yield started


def about_appliers(hook: WebhookCatcher) -> list[CaughtPost]:
    """On a busy machine a server may also be late, which is told."""
    return [post for post in hook.posts if post.json["code"] == "applier-error"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_kill_loses_or_doubles_a_notice(box: Sandbox, tmp_path: Path) -> None:
    chance, kills = random.Random(20261122), 0
    box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    box.wait_caught_up(PATIENT)
    with WebhookCatcher() as hook:
        service = Service(box, tmp_path, hook)

        def kill_until(events: int) -> int:
            """Start and kill until the receiver has heard of so many different notices; the number of kills."""
            done = 0
            while len({post.json["id"] for post in about_appliers(hook)}) < events:
                # The receiver hears, and its answer takes a while: some kills fall between the two.
                hook.misbehave(Misbehaviour(stall=chance.uniform(0, 0.5), after_effect=True))
                service.start()
                time.sleep(chance.uniform(0, LONGEST_LIFE * (1 + done / 10)))  # on a machine that is slow none does else
                service.kill()
                done += 1
                assert done < 60
            return done

        try:
            for number, replica in enumerate(box.replicas):
                collide(box, replica, "w", number)
                kills += kill_until(2 * number + 1)
                mend(replica, "w", number)
                kills += kill_until(2 * number + 2)
            hook.misbehave()
            service.start()
            until(service.healthy, "everything is healthy")
            until(lambda: '"problems": []' in service.get("healthz")[1], "it is healthy itself")
            assert service.stop()[0] == 0
        finally:
            service.close()

        lives: dict[object, list[object]] = defaultdict(list)
        bodies: dict[object, bytes] = {}
        for post in about_appliers(hook):
            identity = post.json["id"]
            assert bodies.setdefault(identity, post.body) == post.body
            event = post.json["event"]
            if event not in lives[(post.json["key"], post.json["since"])]:
                lives[(post.json["key"], post.json["since"])].append(event)
        measured.warning("kills: %d, notices repeated under their id: %d", kills, len(about_appliers(hook)) - len(bodies))
        assert len(bodies) == 2 * OUTAGES
        assert list(lives.values()) == [["opened", "resolved"]] * OUTAGES
        assert "Traceback" not in service.log

"""Restarts on real servers, with the service killed in the middle: the server is looked at, and nothing is done twice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import OutcomeUnknown, StoreError
from repwatch.flows.restart import Restarter
from repwatch.flows.turn import take_turn
from repwatch.health.connecting import Reconnect
from repwatch.health.restart import Go, Stay, decide, due
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.endpoint import Endpoint
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ThreadState
from repwatch.model.restart import ChannelThread, Restart, RestartOutcome
from repwatch.model.server import Flavour
from repwatch.ports.database import Database, Timeouts
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql.reseed import LOCK_NAME
from tests.server.diagnosing import Watcher, watching, words
from tests.server.restarting import lock_wait, one_replica, row_held, shown, starts, until_applier_stops
from tests.server.watching import until


class Killed(BaseException):
    """The service is killed here."""


class Flaky(SqlStore):
    """The real store, which takes so many records of restarts, and no more until that is changed."""

    takes = 1000

    def record_restart(self, restart: Restart) -> None:
        self.takes -= 1
        if self.takes < 0:
            raise StoreError("full")
        super().record_restart(restart)


class Later(SystemClock):
    """The time, and so much later."""

    ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with one replica, for this module."""
    with one_replica(flavour) as made:
        yield made


@pytest.fixture
def replica(box: Sandbox) -> SandboxServer:
    return box.replicas[0]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Flaky]:
    opened = Flaky.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


@pytest.fixture
def watcher(box: Sandbox, replica: SandboxServer) -> Iterator[Watcher]:
    """It has seen everything run, and the replica's applier stops on a row that is held, each time that it is started."""
    lock_wait(box, replica, 1)
    with watching(box, replace(box.cluster(), restart_transient=True)) as made:
        made.look()
        with row_held(box, replica):
            until_applier_stops(replica, 1205)
            yield made
        replica.sql(f"START {words(box.flavour)}")
        box.wait_connected(60)
        box.wait_caught_up(60)


def faulty(around: Callable[[Callable[[], int]], int]) -> Callable[[Endpoint, Timeouts | None], Database]:
    """Connections whose START is sent, or not, as `around` has it."""

    class Faulty(Session):
        def execute(self, sql: str, params: Any = ()) -> int:
            send = super().execute
            return around(lambda: send(sql, params)) if sql.startswith("START ") else send(sql, params)

    return Faulty.connect


def restarter(store: SqlStore, clock: SystemClock, connect: Any = Session.connect) -> Restarter:
    return Restarter("shop", store, connect, clock)


def seen(watcher: Watcher, at_work: Restarter) -> World:
    world = watcher.look()
    return replace(world, restarts=at_work.after(world))


def decision(world: World) -> Go | Stay:
    server = world.servers[1]
    assert server.observation is not None
    return decide(world, server, server.observation.channels[0], ChannelThread.APPLIER)


def until_turn_is_free(replica: SandboxServer) -> None:
    """A server may notice late that the session that had it has ended."""
    until(lambda: replica.sql(f"SELECT IS_FREE_LOCK('{LOCK_NAME}')") == [("1",)], "nobody has the turn")


def outcomes(store: SqlStore) -> list[RestartOutcome | None]:
    return [restart.outcome for restart in store.restarts("shop")]


def test_a_kill_before_the_start_has_spent_of_the_budget_and_done_nothing(
    replica: SandboxServer, watcher: Watcher, store: SqlStore
) -> None:
    def killed(_send: Callable[[], int]) -> int:
        raise Killed

    clock, before = Later(), starts(replica)
    first = restarter(store, clock, faulty(killed))
    world = seen(watcher, first)
    with pytest.raises(Killed):
        first.restart(world, *due(world))
    assert outcomes(store) == [None]
    assert starts(replica) == before
    until_turn_is_free(replica)

    second = restarter(store, clock)
    assert decision(seen(watcher, second)) is Stay.PAUSE
    assert outcomes(store) == [RestartOutcome.NOT_SENT]
    clock.ahead = 61
    watcher.past = {}  # the new service has not seen it run; the intention has
    world = seen(watcher, second)
    assert decision(world) == Go(2)
    second.restart(world, *due(world))
    assert outcomes(store) == [RestartOutcome.NOT_SENT, RestartOutcome.STARTED]
    assert starts(replica) == before + 1


def test_a_kill_after_the_start_is_no_reason_to_send_it_again(replica: SandboxServer, watcher: Watcher, store: SqlStore) -> None:
    def killed(send: Callable[[], int]) -> int:
        send()
        raise Killed

    clock, before = Later(), starts(replica)
    first = restarter(store, clock, faulty(killed))
    world = seen(watcher, first)
    with pytest.raises(Killed):
        first.restart(world, *due(world))
    assert outcomes(store) == [None]
    until_applier_stops(replica, 1205)

    second = restarter(store, clock)
    for clock.ahead in (0, 61, 3600, 86400):
        world = seen(watcher, second)
        assert decision(world) is Stay.SAME_TRANSACTION
        assert due(world) == ()
    assert outcomes(store) == [RestartOutcome.UNKNOWN]
    assert starts(replica) == before + 1


def test_a_lost_answer_is_looked_up(replica: SandboxServer, watcher: Watcher, store: SqlStore) -> None:
    def lost(send: Callable[[], int]) -> int:
        send()
        raise OutcomeUnknown("lost", server="replica1")

    at_work = restarter(store, Later(), faulty(lost))
    world = seen(watcher, at_work)
    at_work.restart(world, *due(world))
    assert outcomes(store) == [None]
    assert at_work.after(world) is not None
    assert outcomes(store) == [None]  # what was seen before tells nothing
    until_applier_stops(replica, 1205)
    found = [decision(seen(watcher, at_work)) for _ in range(3)]
    assert set(found) == {Stay.UNSETTLED, Stay.SAME_TRANSACTION}
    assert outcomes(store) == [RestartOutcome.UNKNOWN]


def test_what_cannot_be_recorded_is_not_sent(replica: SandboxServer, watcher: Watcher, store: Flaky) -> None:
    at_work, before = restarter(store, Later()), starts(replica)
    world = seen(watcher, at_work)
    store.takes = 0
    at_work.restart(world, *due(world))
    assert starts(replica) == before
    until_turn_is_free(replica)
    store.takes = 1  # the intention, and not what came of it
    at_work.restart(world, *due(world))
    assert outcomes(store) == [None]
    assert starts(replica) == before + 1
    until_applier_stops(replica, 1205)
    assert decision(seen(watcher, at_work)) is Stay.SAME_TRANSACTION
    assert outcomes(store) == [None]
    store.takes = 1
    seen(watcher, at_work)
    assert outcomes(store) == [RestartOutcome.STARTED]


def test_two_services_share_what_was_done(replica: SandboxServer, watcher: Watcher, store: SqlStore) -> None:
    one, two = (restarter(store, Later()) for _ in range(2))
    before = starts(replica)
    seen(watcher, two)
    world = seen(watcher, one)
    one.restart(world, *due(world))
    until_applier_stops(replica, 1205)
    world = seen(watcher, two)
    two.restart(world, *due(world))  # it has not read what the other one did
    assert decision(seen(watcher, two)) is Stay.SAME_TRANSACTION
    assert outcomes(store) == [RestartOutcome.STARTED]
    assert starts(replica) == before + 1


def test_nothing_is_sent_beside_others_or_on_what_was_seen_before(
    box: Sandbox, replica: SandboxServer, watcher: Watcher, store: SqlStore
) -> None:
    at_work, before = restarter(store, Later()), starts(replica)
    world = seen(watcher, at_work)
    (wanted,) = due(world)
    with replica.connect(Account.OPERATOR) as other:
        assert take_turn(other, SystemClock(), 60)
        at_work.restart(world, wanted)
    assert outcomes(store) == []
    word = words(box.flavour)
    replica.sql(f"STOP {word}")  # a person: the threads show as they did, but for the receiver
    at_work.restart(world, wanted)
    assert decision(seen(watcher, at_work)) is Stay.PERSON
    replica.sql(f"START {word} {'IO_THREAD'}")
    at_work.restart(world, wanted)
    assert outcomes(store) == []
    assert starts(replica) == before + 1
    assert (shown(replica)["applier"], shown(replica)["applier_errno"]) == ("No", "1205")


# MySQL refuses the counter beside GTIDs.
@pytest.mark.parametrize("flavour", [Flavour.MARIADB], indirect=True, ids=str, scope="session")
def test_a_pending_skip_is_not_triggered(box: Sandbox, replica: SandboxServer, watcher: Watcher, store: SqlStore) -> None:
    at_work = restarter(store, Later())
    world = seen(watcher, at_work)
    (wanted,) = due(world)
    replica.sql("SET GLOBAL sql_slave_skip_counter = 1")
    at_work.restart(world, wanted)
    assert decision(seen(watcher, at_work)) is Stay.SKIP_PENDING
    assert outcomes(store) == []
    replica.sql("SET GLOBAL sql_slave_skip_counter = 0")


def test_an_operator_that_may_not_is_told_of_and_does_not_count(
    box: Sandbox, replica: SandboxServer, watcher: Watcher, store: SqlStore
) -> None:
    clock, before = Later(), starts(replica)
    at_work = restarter(store, clock)
    spec = replica.spec()
    watcher.cluster = replace(watcher.cluster, servers=(box.source.spec(), replace(spec, operator=spec.endpoint)))
    world = seen(watcher, at_work)
    at_work.restart(world, *due(world))
    assert outcomes(store) == [RestartOutcome.REFUSED]
    world = seen(watcher, at_work)
    assert world.restarts is not None
    assert "REPLICATION" in world.restarts.problems[str(spec.endpoint.address), ""]
    assert decision(world) is Stay.PAUSE
    assert shown(replica)["applier"] == "No"
    assert starts(replica) <= before + 1  # a refused one may be counted


# The number of retries is an option of MariaDB's start.
@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, ids=str, scope="session")
def test_a_receiver_whose_retries_are_used_up_goes_on_when_its_source_is_back(
    box: Sandbox, replica: SandboxServer, store: SqlStore
) -> None:
    once = "CHANGE REPLICATION SOURCE TO SOURCE_RETRY_COUNT = {}"
    replica.sql("STOP REPLICA", once.format(2), "START REPLICA")
    box.wait_connected(60)
    at_work = restarter(store, Later())
    with watching(box, replace(box.cluster(), restart_transient=True)) as watcher:
        watcher.look()
        box.source.kill()
        until(lambda: shown(replica)["receiver"] == "No", "the receiver has given up")
        world = seen(watcher, at_work)
        observation = world.servers[1].observation
        assert observation is not None
        channel = observation.channels[0]
        assert channel.receiver is ThreadState.STOPPED
        assert decide(world, world.servers[1], channel, ChannelThread.RECEIVER) is Stay.SOURCE_AWAY
        (told,) = [found for found in diagnose(world) if found.subject.code is FindingCode.RECEIVER_ERROR]
        assert (told.evidence["connection"], told.evidence["attempts"]) == (Reconnect.NOT_TRYING, "2 of 2")
        box.source.start()
        world = seen(watcher, at_work)
        at_work.restart(world, *due(world))
    assert outcomes(store) == [RestartOutcome.STARTED]
    box.wait_connected(60)
    replica.sql("STOP REPLICA", once.format(86400), "START REPLICA")
    box.wait_connected(60)

"""A reseed does what was agreed to, alone, and leaves no session behind."""

import time
from dataclasses import replace
from pathlib import Path
from queue import Queue
from threading import Event

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused, Unreachable
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.model.endpoint import Endpoint
from repwatch.model.plan import Outcome
from repwatch.model.server import Address
from repwatch.ports.database import Params, Timeouts
from repwatch.sandbox import Account, Sandbox
from tests.server.refusing import everything_on
from tests.server.reseeding import CLOCK, request, tools


def test_a_plan_of_another_world_is_refused(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    old = plan_reseed(asked, Session.connect, CLOCK).plan
    star.source.sql(f"INSERT INTO {schema}.t VALUES (1)")
    assert plan_reseed(asked, Session.connect, CLOCK).plan.plan_hash == old.plan_hash
    star.source.sql(f"CREATE TABLE {schema}.u (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    before = everything_on(star.replicas[0])
    with pytest.raises(Refused):
        apply_reseed(asked, tools(tmp_path), old.plan_hash)
    assert everything_on(star.replicas[0]) == before


def test_two_reseeds_of_one_server_exclude_each_other(star: Sandbox, schema: str, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    with star.replicas[0].connect() as db:
        assert db.scalar("SELECT GET_LOCK('repwatch.reseed', 60)") == "1"
        with pytest.raises(Refused):
            apply_reseed(asked, tools(tmp_path), plan.plan_hash)


def test_the_session_of_a_killed_one_is_waited_for(star: Sandbox, schema: str, tmp_path: Path) -> None:
    """Its server notices a moment later that nobody is there any more: until then the lock is taken."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    asked = request(star, star.replicas[0])
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    killed = star.replicas[0].connect()
    assert killed.scalar("SELECT GET_LOCK('repwatch.reseed', 60)") == "1"

    class Noticing(Session):
        def scalar(self, sql: str, params: Params = ()) -> str | None:
            found = super().scalar(sql, params)
            if "GET_LOCK" in sql:
                killed.close()
            return found

    done = apply_reseed(asked, replace(tools(tmp_path), connect=Noticing.connect), plan.plan_hash)
    assert done.outcome is Outcome.DONE


def test_no_session_is_left_where_the_other_end_cannot_be_reached(star: Sandbox) -> None:
    """Both are opened at once, and the one that takes long is not waited for."""
    replica = star.replicas[0]
    asked = request(star, replica)
    nobody = replace(asked.source.writer, address=Address("127.0.0.1", 1))
    answers, late = Event(), Queue[Session]()

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        if endpoint == nobody:
            return Session.connect(endpoint, timeouts)
        answers.wait(300)
        late.put(session := Session.connect(endpoint, timeouts))
        return session

    with pytest.raises(Unreachable):
        plan_reseed(replace(asked, source=replace(asked.source, operator=nobody)), connect, CLOCK)
    assert late.empty()
    answers.set()
    kept = late.get(timeout=60)  # one that is forgotten closes itself
    deadline = time.monotonic() + 60
    while replica.sql(f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{Account.OPERATOR}'"):
        assert time.monotonic() < deadline, f"a session is left: {kept.server}"
        time.sleep(0.05)

"""What a real replica lacks of its source, where writes of its own have larger numbers than what the source writes."""

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.health.received import unapplied, unreceived
from repwatch.model.observation import Observation
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.diagnosing import PATIENT

OWN, NEW = 20, 3


def look(server: SandboxServer) -> Observation:
    prober = Prober(Session.connect_for_looks, SystemClock(), deadline=PATIENT)
    try:
        found = prober(server.spec())
    finally:
        prober.close()
    assert isinstance(found, Observation), found
    return found


def test_writes_of_the_replica_s_own_hide_nothing(flavour: Flavour) -> None:
    with Sandbox.start(flavour, replicas=1) as box:
        source, replica = box.source, box.replicas[0]
        source.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
        box.wait_caught_up(60)
        word = "SLAVE" if flavour is Flavour.MARIADB else "REPLICA"
        replica.sql(f"STOP {word} IO_THREAD", *(f"INSERT INTO d.t VALUES ({1000 + n})" for n in range(OWN)))
        (channel,) = (seen := look(replica)).channels
        assert unreceived(seen, channel, look(source).gtid_offered) == 0
        source.sql(*(f"INSERT INTO d.t VALUES ({n})" for n in range(NEW)))
        there = look(source).gtid_offered
        assert (unreceived(seen, channel, there), unapplied(seen, channel, there)) == (NEW, NEW)
        replica.sql(f"START {word} IO_THREAD")
        box.wait_connected()
        box.wait_caught_up(60)
        (channel,) = (seen := look(replica)).channels
        assert (unreceived(seen, channel, there), unapplied(seen, channel, there)) == (0, 0)

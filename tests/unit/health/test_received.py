"""What a replica lacks of its source, where numbers alone would say that it has it."""

import pytest

from repwatch.health.received import unapplied, unreceived
from repwatch.model.server import Flavour
from tests.unit.health.worlds import channel, observation, uuid

MY, MA = Flavour.MYSQL, Flavour.MARIADB


@pytest.mark.parametrize(
    ("applied", "received", "logged", "there", "missing"),
    [
        ("0-1-10", "0-1-10", "0-1-10", "0-1-10", (0, 0)),
        ("0-1-10", "0-1-12", "0-1-10", "0-1-12", (0, 2)),
        ("0-1-10", "0-1-10", "0-1-10", "0-1-12", (2, 2)),
        ("0-1-10", "0-1-10", "0-1-10,0-2-15", "0-1-12", (2, 2)),  # writes of its own hide nothing
        ("0-1-10", "", "0-2-15", "0-1-12", (2, 2)),  # without log_slave_updates
        ("0-1-10", "0-1-10", "0-1-10,0-2-15", "0-2-15", (0, 0)),  # in a ring they come back
        ("0-1-10", "0-1-10", "0-1-10,0-2-15", "0-2-17", (2, 2)),
        ("0-1-10", "0-1-10", "0-1-10,1-3-7", "1-3-7,0-1-10", (0, 0)),  # own ones of an earlier server_id
        ("0-1-10,1-3-7", "0-1-10", "", "1-3-7,0-1-10", (0, 0)),  # through another channel
        ("0-1-10", "0-1-10", "0-1-10", "0-1-10,5-1-3", (3, 3)),
        ("", "", "", "", (0, 0)),
    ],
)
def test_mariadb(applied: str, received: str, logged: str, there: str, missing: tuple[int, int]) -> None:
    one = channel(MA, 1, gtid_executed=applied, gtid_received=received)
    executed = ",".join(filter(None, (applied, logged)))
    seen = observation(MA, 2, one, gtid_executed=executed, gtid_logged=logged)
    assert (unreceived(seen, one, there), unapplied(seen, one, there)) == missing


def test_mysql() -> None:
    one, two = uuid(MY, 1), uuid(MY, 2)
    feed = channel(MY, 1, gtid_executed=f"{one}:1-10,{two}:1-15", gtid_received=f"{one}:1-12")
    seen = observation(MY, 2, feed, gtid_executed=feed.gtid_executed)
    assert unreceived(seen, feed, f"{one}:1-14") == 2
    assert unapplied(seen, feed, f"{one}:1-14") == 4
    assert unreceived(seen, feed, f"{one}:1-12,{two}:1-15") == 0


@pytest.mark.parametrize("flavour", list(Flavour))
def test_what_cannot_be_read_is_no_answer(flavour: Flavour) -> None:
    one = channel(flavour, 1, gtid_executed="nonsense", gtid_received="")
    with pytest.raises(ValueError, match="GTID"):
        unreceived(observation(flavour, 2, one, gtid_executed="nonsense"), one, "0-1-1")

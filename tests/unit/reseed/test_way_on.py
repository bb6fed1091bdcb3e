"""What a person is told to do after a failure."""

from repwatch.errors import OutcomeUnknown, Refused, StatementRefused
from repwatch.reseed.way_on import way_on


def test_a_full_disk_and_a_lost_server_have_ways_of_their_own() -> None:
    full = StatementRefused("The table 't' is full", server="db2:3306", errno=1114)
    lost = OutcomeUnknown("Lost connection", server="db2:3306", errno=2013)
    other = StatementRefused("Unknown column", server="db2:3306", errno=1054)
    told = [way_on(error) for error in (full, lost, other, Refused("somebody else works on it"))]
    assert all("--resume" in text for text in told)
    assert told[2] == told[3]
    assert len(set(told)) == 3

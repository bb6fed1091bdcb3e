"""The commands that remedies name: what a channel without GTIDs may be told, and what it must not."""

from dataclasses import replace

import pytest

from repwatch.health import by_hand, commands
from repwatch.health.rules import diagnose
from repwatch.model.observation import ChannelObservation, Observation, ThreadError
from repwatch.model.risks import Risks
from repwatch.model.server import Flavour
from tests.unit.health.worlds import channel, observation, star, world

MY, MA = Flavour.MYSQL, Flavour.MARIADB
OFF = Risks(settings={"gtid_mode": "off"})


def refetch(flavour: Flavour, **changes: object) -> str:
    source, _, other = star(flavour)
    replica = observation(flavour, 2, channel(flavour, 1, name="a", **changes))
    made = world([source, replica, other])
    return commands.fields(made, made.servers[1], "a")["refetch"]


STOP, START = "STOP REPLICA FOR CHANNEL 'a'", "START REPLICA FOR CHANNEL 'a'"
RESET = "RESET REPLICA FOR CHANNEL 'a'"
CHANGE = "CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE = 'binlog.000004', SOURCE_LOG_POS = 792 FOR CHANNEL 'a'"
SILENT = "SET SESSION sql_log_bin = 0, foreign_key_checks = 0"
MASTER = "CHANGE MASTER 'a' TO MASTER_LOG_FILE = 'binlog.000004', MASTER_LOG_POS = 792, MASTER_USE_GTID = no"


@pytest.mark.parametrize(
    ("flavour", "errno", "statements"),
    [
        (MY, 13121, (STOP, CHANGE, START)),
        (MY, 13124, (STOP, RESET, CHANGE, START)),
        (MA, 1594, ("STOP SLAVE 'a'", MASTER, "START SLAVE 'a'")),
    ],
)
def test_without_gtids_it_is_fetched_again_from_what_is_applied(
    flavour: Flavour, errno: int, statements: tuple[str, ...]
) -> None:
    error = ThreadError(errno=errno, text="relay log")
    assert refetch(flavour, uses_gtid=False, applied_log="binlog.000004:792", applier_error=error) == f"`{'; '.join(statements)}`"


def test_with_gtids_the_server_knows_the_place() -> None:
    assert refetch(MY, applied_log="binlog.000004:792") == f"`{STOP}; {RESET}; {START}`"
    assert "USE_GTID = slave_pos" in refetch(MA, applied_log="binlog.000004:792")


@pytest.mark.parametrize("off", ["replica", "source"])
@pytest.mark.parametrize("channels", [(), (channel(MY, 3),)], ids=["no channel", "another source"])
def test_auto_position_is_not_offered_where_it_is_refused(off: str, channels: tuple[ChannelObservation, ...]) -> None:
    source, _, other = star(MY)
    replica = observation(MY, 2, *channels, read_only=True)
    assert "AUTO_POSITION" in remedies(source, replica, other)
    if off == "replica":
        replica = replace(replica, risks=OFF)
    else:
        source = replace(source, risks=OFF)
    assert "AUTO_POSITION" not in remedies(source, replica, other)


def remedies(*looks: Observation) -> str:
    return " ".join(finding.remedy for finding in diagnose(world(looks)))


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize("wrote", [False, True])
def test_a_server_that_takes_writes_is_not_attached(flavour: Flavour, wrote: bool) -> None:
    source, _, other = star(flavour)
    old = observation(flavour, 2, read_only=not wrote)
    assert ("CHANGE " in remedies(source, old, other)) is not wrote


@pytest.mark.parametrize(
    ("flavour", "name", "read_only", "statements"),
    [
        (
            MY,
            "shop.orders",
            True,
            ["SET GLOBAL super_read_only = OFF", SILENT, "DELETE FROM shop.orders WHERE …", "SET GLOBAL super_read_only = ON"],
        ),
        (MY, "shop.orders", False, [SILENT, "DELETE FROM shop.orders WHERE …"]),
        (MA, "shop.orders", True, [SILENT, "DELETE FROM shop.orders WHERE …"]),
        (MA, "shop.x; DROP DATABASE shop", True, [SILENT, "DELETE FROM … WHERE …"]),
    ],
)
def test_a_row_is_mended_without_the_binary_log(flavour: Flavour, name: str, read_only: bool, statements: list[str]) -> None:
    looked = observation(flavour, 2, channel(flavour, 1), read_only=read_only)
    filled = by_hand.fields(looked, looked.channels[0], name)["delete_row"]
    assert filled.strip("`").split("; ")[:-1] == statements

"""Worlds made by hand: a healthy star of either flavour, to be changed where a test needs it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from repwatch.health.world import ServerNow, World
from repwatch.model.endpoint import Endpoint
from repwatch.model.observation import ChannelObservation, Lag, LagBasis, Observation, ProbeFailure, ThreadState, Unobserved
from repwatch.model.server import Address, Flavour, ServerVersion
from repwatch.model.topology import ClusterSpec, ServerSpec

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
VERSIONS = {Flavour.MYSQL: ServerVersion.parse("8.4.3"), Flavour.MARIADB: ServerVersion.parse("10.11.19-MariaDB")}


def address(number: int) -> Address:
    """Where server `number` listens."""
    return Address(f"10.0.0.{number}", 3306)


def uuid(flavour: Flavour, number: int) -> str:
    """Its server_uuid."""
    return f"{number:08d}-0000-0000-0000-000000000000" if flavour is Flavour.MYSQL else ""


def channel(flavour: Flavour, number: int, **changes: Any) -> ChannelObservation:
    """A healthy channel from server `number`."""
    healthy = ChannelObservation(
        name="",
        source=address(number),
        source_server_id=number,
        source_uuid=uuid(flavour, number),
        receiver=ThreadState.RUNNING,
        applier=ThreadState.RUNNING,
        receiver_text="",
        applier_text="",
        lag=Lag(seconds=0.0, basis=LagBasis.STATUS),
    )
    return replace(healthy, **changes)


def observation(flavour: Flavour, number: int, *channels: ChannelObservation, **changes: Any) -> Observation:
    """A healthy server."""
    healthy = Observation(
        at=NOW,
        took=timedelta(milliseconds=2),
        version=VERSIONS[flavour],
        server_id=number,
        server_uuid=uuid(flavour, number),
        read_only=bool(channels),
        log_bin=True,
        gtid_executed="",
        instance=f"db{number}:3306 /data/",
        channels=channels,
    )
    return replace(healthy, **changes)


def unobserved(failure: ProbeFailure, **changes: Any) -> Unobserved:
    """A look that saw nothing."""
    blind = Unobserved(at=NOW, took=timedelta(seconds=1), failure=failure, text="it is so", hint="do this", errno=2003)
    return replace(blind, **changes)


def spec(number: int, **changes: Any) -> ServerSpec:
    """The inventory's entry of server `number`, called db1, db2, …"""
    return replace(ServerSpec(endpoint=Endpoint(address(number), "repwatch"), name=f"db{number}"), **changes)


def world(results: Iterable[Observation | Unobserved], *specs: ServerSpec, source: str | None = "db1", **cluster: Any) -> World:
    """db1, db2, … with these results, as of NOW."""
    looked = tuple(results)
    wanted = specs or tuple(spec(number + 1) for number in range(len(looked)))
    inventory = replace(ClusterSpec(name="shop", source=source or "auto", servers=wanted), **cluster)
    servers = tuple(
        ServerNow(spec=each, result=result, last_good=result if isinstance(result, Observation) else None)
        for each, result in zip(wanted, looked, strict=True)
    )
    return World(cluster=inventory, source=source, servers=servers, now=NOW)


def star(flavour: Flavour) -> tuple[Observation, Observation, Observation]:
    """A healthy source with two replicas."""
    return observation(flavour, 1), observation(flavour, 2, channel(flavour, 1)), observation(flavour, 3, channel(flavour, 1))

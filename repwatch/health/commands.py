"""The commands that a remedy names, exact for a server's flavour, version and channel. They are shown, never sent from here."""

from collections.abc import Mapping

from repwatch.health import by_hand
from repwatch.health.world import ServerNow, World
from repwatch.model.observation import ChannelObservation, Observation
from repwatch.model.server import ServerVersion
from repwatch.sql import replication
from repwatch.sql.quoting import quote_text

_LOGIN = {"USER": "'…'", "PASSWORD": "'…'"}  # a person puts them in
_PLACE = {"LOG_FILE": "'…'", "LOG_POS": "…"}  # likewise
_UNOPENED = frozenset({1201, 1872, 13123, 13124})
"""MySQL cannot open its notes about the channel: CHANGE is refused with the same error until RESET has thrown them away."""


def fields(world: World, server: ServerNow, channel: str, *tables: str) -> Mapping[str, str]:
    """What the templates of remedies may use: statements in the server's words, and repwatch's own commands for this server."""
    target = _target(world, server)
    named = [table for table in tables if table]
    narrowed = "".join(f" --tables {quote_text(table)}" for table in named)
    commands = {
        "drift": f"`repwatch drift {_cluster(world, server)}{narrowed}`",
        "repair": f"`repwatch repair {target}{narrowed}`",
        "reseed": f"`repwatch reseed {target}`",
        "in_table": f" (table {named[0]})" if named else "",
    }
    seen = server.observation or server.last_good
    if seen is None:
        return commands
    shown = next((each for each in seen.channels if each.name == channel), None)
    commands |= _statements(seen.version, channel)
    if shown is None:
        return commands
    return commands | {"refetch": _refetch(seen.version, shown)} | by_hand.fields(seen, shown, named[0] if named else "")


def _statements(version: ServerVersion, channel: str) -> dict[str, str]:
    start, stop = replication.start_channel(version, channel), replication.stop_channel(version, channel)
    receiver = replication.start_receiver(version, channel)
    return {
        "restart_receiver": f"`{replication.stop_receiver(version, channel)}; {receiver}`",
        "start": f"`{start}`",
        "start_applier": f"`{replication.start_applier(version, channel)}`",
        "start_receiver": f"`{receiver}`",
        "undelay": f"`{stop}; {replication.set_delay(version, channel, 0)}; {start}`",
        "change_login": f"`{stop}; {replication.change_channel(version, channel, _LOGIN)}; {start}`",
    }


def _refetch(version: ServerVersion, channel: ChannelObservation) -> str:
    """Throw the relay logs away, and read on from what is applied.

    Without GTIDs RESET forgets where that is, and the channel would begin at the source's oldest binary log; CHANGE to a file
    and position throws the relay logs away by itself. MySQL refuses it while transactions of parallel workers have gaps (1802).
    """
    forget = replication.follow_by_gtid if version.is_mariadb else replication.forget_relay_logs
    by_gtid = _between(version, channel.name, forget(version, channel.name))
    if channel.uses_gtid:
        return by_gtid
    file, _, position = channel.applied_log.rpartition(":")
    place = {"LOG_FILE": quote_text(file), "LOG_POS": position} if file else _PLACE
    change = replication.change_channel(version, channel.name, place | ({"USE_GTID": "no"} if version.is_mariadb else {}))
    errors = (channel.receiver_error, channel.applier_error)
    resets = not version.is_mariadb and any(error is not None and error.errno in _UNOPENED for error in errors)
    before = (replication.forget_relay_logs(version, channel.name),) if resets else ()
    by_place = _between(version, channel.name, *before, change)
    return by_place if file else f"{by_gtid} if the channel uses GTIDs; if not, from the place that was applied last: {by_place}"


def _between(version: ServerVersion, channel: str, *statements: str) -> str:
    """Statements that a channel must be stopped for."""
    stop, start = replication.stop_channel(version, channel), replication.start_channel(version, channel)
    return f"`{'; '.join((stop, *statements, start))}`"


def stop(version: ServerVersion, channel: str) -> str:
    """The statement that stops a channel."""
    return f"`{replication.stop_channel(version, channel)}`"


def point_to(replica: Observation, channel: str, source: ServerNow) -> str:
    """Statements that make a channel replicate from `source` by GTID, with the account it has; "" where that cannot be."""
    if not _by_gtid(replica, source):
        return ""
    return _between(
        replica.version, channel, replication.change_channel(replica.version, channel, _position(replica.version, source))
    )


def attach_to(replica: Observation, channel: str, source: ServerNow) -> str:
    """Statements that make a new channel from `source` by GTID; "" where that cannot be."""
    if not _by_gtid(replica, source):
        return ""
    change = replication.change_channel(replica.version, channel, _position(replica.version, source) | _LOGIN)
    return f"`{change}; {replication.start_channel(replica.version, channel)}`"


def compare(source: ServerNow, server: ServerNow) -> str:
    """The check of two servers that do not replicate."""
    return f"`repwatch drift --static --source mysql://…@{source.address} --replica mysql://…@{server.address}`"


def set_read_only(version: ServerVersion) -> str:
    """The statement by which a server takes no more writes but those of its appliers."""
    return f"`SET GLOBAL {'read_only' if version.is_mariadb else 'super_read_only'} = ON`"


def without_gtid(*servers: Observation | None) -> bool:
    """True if one of these has gtid_mode off (MySQL): a channel by AUTO_POSITION is then refused (1777), or gets nothing."""
    told = [server.risks.settings.get("gtid_mode", "") for server in servers if server is not None and server.risks is not None]
    return "off" in (mode.lower() for mode in told)


def _by_gtid(replica: Observation, source: ServerNow) -> bool:
    return bool(source.spec.endpoint.address.host) and not without_gtid(replica, source.last_good)


def _position(version: ServerVersion, source: ServerNow) -> dict[str, str]:
    by_gtid = {"USE_GTID": "slave_pos"} if version.is_mariadb else {"AUTO_POSITION": "1"}
    address = source.spec.endpoint.address
    return {"HOST": quote_text(address.host), "PORT": str(address.port)} | by_gtid


def _target(world: World, server: ServerNow) -> str:
    if server.spec.name:
        return f"{world.cluster.name}/{server.spec.name}"
    return _urls(world, server)


def _cluster(world: World, server: ServerNow) -> str:
    return world.cluster.name if server.spec.name else _urls(world, server)


def _urls(world: World, server: ServerNow) -> str:
    """Without a configuration servers are named by URL; the account is the reader's choice."""
    source = f"--source mysql://…@{world.source} " if world.source else ""
    return f"{source}--replica mysql://…@{server.address}"

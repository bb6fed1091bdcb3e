"""The commands that a remedy names, exact for a server's flavour, version and channel. They are shown, never sent from here."""

from collections.abc import Mapping

from repwatch.health.world import ServerNow, World
from repwatch.model.server import Address, ServerVersion
from repwatch.sql import replication
from repwatch.sql.quoting import quote_text

_LOGIN = {"USER": "'…'", "PASSWORD": "'…'"}  # a person puts them in


def fields(world: World, server: ServerNow, channel: str, table: str = "") -> Mapping[str, str]:
    """What the templates of remedies may use: statements in the server's words, and repwatch's own commands for this server."""
    target = _target(world, server)
    tables = f" --tables {quote_text(table)}" if table else ""
    commands = {
        "drift": f"`repwatch drift {_cluster(world, server)}{tables}`",
        "reseed": f"`repwatch reseed {target}`",
        "in_table": f" (table {table})" if table else "",
    }
    seen = server.observation or server.last_good
    return commands | (_statements(seen.version, channel) if seen else {})


def _statements(version: ServerVersion, channel: str) -> dict[str, str]:
    start, stop = replication.start_channel(version, channel), replication.stop_channel(version, channel)
    forget = replication.follow_by_gtid if version.is_mariadb else replication.forget_relay_logs
    receiver = replication.start_receiver(version, channel)
    return {
        "restart_receiver": f"`{replication.stop_receiver(version, channel)}; {receiver}`",
        "start": f"`{start}`",
        "start_applier": f"`{replication.start_applier(version, channel)}`",
        "start_receiver": f"`{receiver}`",
        "undelay": f"`{stop}; {replication.set_delay(version, channel, 0)}; {start}`",
        "refetch": f"`{stop}; {forget(version, channel)}; {start}`",
        "change_login": f"`{stop}; {replication.change_channel(version, channel, _LOGIN)}; {start}`",
    }


def stop(version: ServerVersion, channel: str) -> str:
    """The statement that stops a channel."""
    return f"`{replication.stop_channel(version, channel)}`"


def point_to(version: ServerVersion, channel: str, source: Address) -> str:
    """Statements that make a channel replicate from `source` by GTID, with the account it has."""
    start, stop = replication.start_channel(version, channel), replication.stop_channel(version, channel)
    return f"`{stop}; {replication.change_channel(version, channel, _position(version, source))}; {start}`"


def attach_to(version: ServerVersion, channel: str, source: Address) -> str:
    """Statements that make a new channel from `source` by GTID."""
    change = replication.change_channel(version, channel, _position(version, source) | _LOGIN)
    return f"`{change}; {replication.start_channel(version, channel)}`"


def _position(version: ServerVersion, source: Address) -> dict[str, str]:
    by_gtid = {"USE_GTID": "slave_pos"} if version.is_mariadb else {"AUTO_POSITION": "1"}
    return {"HOST": quote_text(source.host), "PORT": str(source.port)} | by_gtid


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

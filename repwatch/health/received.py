"""What a replica does not have of its source's transactions.

On MariaDB a domain is a line of numbers, and a write of the replica's own takes the next one as well: then it may have reached a
number without having anything of what its source wrote under smaller ones. So a number counts as reached where it came by
replication (gtid_slave_pos, Gtid_IO_Pos); of all else that is here, only what is named after the same server does.
"""

from repwatch.model.gtid import MariadbPosition, last_of_servers, missing_count
from repwatch.model.observation import ChannelObservation, Observation


def unreceived(seen: Observation, channel: ChannelObservation, there: str) -> int:
    """How many of these it neither received nor has from elsewhere (in a ring its own come back). Raises ValueError."""
    return _missing(seen, there, channel.gtid_executed, channel.gtid_received)


def unapplied(seen: Observation, channel: ChannelObservation, there: str) -> int:
    """How many of these it has not executed. Raises ValueError."""
    return _missing(seen, there, channel.gtid_executed)


def _missing(seen: Observation, there: str, *came: str) -> int:
    if not seen.version.is_mariadb:
        return missing_count(seen.version.flavour, _joined(seen.gtid_executed, *came), there)
    reached = dict(MariadbPosition.parse(_joined(*came)).last)
    logged = last_of_servers(seen.gtid_logged or seen.gtid_executed)
    return sum(
        max(0, number - max(reached.get(domain, (0, 0))[1], logged.get((domain, server), 0)))
        for domain, (server, number) in MariadbPosition.parse(there).last
    )


def _joined(*positions: str) -> str:
    return ",".join(filter(None, positions))

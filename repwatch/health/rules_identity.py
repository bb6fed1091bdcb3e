"""Rules about servers that have one identity, be both in the inventory or one of them unknown."""

from collections.abc import Iterator

from repwatch.health.inventory import label, same_server
from repwatch.health.progress import lost_source
from repwatch.health.rules_common import evidence, of_channel, seen, subject
from repwatch.health.turned_away import AGAIN, REMEMBERED, is_turned_away
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, Observation


def duplicate_server_id(world: World) -> Iterator[Finding]:
    """Two entries of the inventory have one identity, or a server that is not in it has that of one."""
    before: list[tuple[ServerNow, Observation]] = []
    for server, observation in seen(world):
        for other, its in before:
            if shared := _shared_identity(observation, its):
                yield _duplicate(world, server, other, shared)
                break
        before.append((server, observation))
    for server, observation in seen(world):
        if not _has_twin(world, server, observation):
            for channel in [each for each in observation.channels if _takes_turns(world, server, observation, each)][:1]:
                yield _unknown_twin(world, server, observation, channel)


def _has_twin(world: World, server: ServerNow, observation: Observation) -> bool:
    """True if the other one is in the inventory, though it may not be seen now."""
    others = [each.last_good for each in world.servers if each is not server]
    return any(other is not None and _shared_identity(observation, other) for other in others)


def _takes_turns(world: World, server: ServerNow, observation: Observation, channel: ChannelObservation) -> bool:
    """True if it is thrown out now, or was again and again and may only have its turn now."""
    known = world.progress.channels.get((label(server), channel.name))
    past = known.turned_away if known else None
    often = past is not None and past.times >= AGAIN and world.now - past.at < REMEMBERED
    return (often or is_turned_away(observation, channel)) and lost_source(world, server, channel) is None


def _shared_identity(one: Observation, two: Observation) -> str:
    if one.server_uuid and one.server_uuid == two.server_uuid:
        return f"server_uuid {one.server_uuid}"
    return f"server_id {one.server_id}" if one.server_id and one.server_id == two.server_id else ""


def _duplicate(world: World, server: ServerNow, other: ServerNow, shared: str) -> Finding:
    twice = same_server(world, server) is not None
    if twice:
        summary = f"{label(server)} and {label(other)} are one and the same server"
        meaning = "The inventory lists one server twice; the server that should be here is not watched."
        remedy = f"Correct the address of {label(server)} or of {label(other)} in the configuration."
    else:
        summary = f"{label(server)} and {label(other)} have the same {shared}"
        meaning = (
            "Servers of one replication topology must differ. Sources and replicas take each other's transactions for their own "
            "and drop them, and two replicas of one source throw each other out, on MariaDB without any error."
        )
        remedy = (
            f"Give {label(server)} a server_id of its own (in its option file, too). On MySQL, where the server_uuid is the "
            "same: stop it, delete auto.cnf from its data folder, start it. Then check its data: a copy may have missed some."
        )
    own = server.observation
    return Finding(
        subject=subject(world, server, FindingCode.DUPLICATE_SERVER_ID),
        severity=Severity.CRITICAL,
        summary=summary,
        meaning=meaning,
        remedy=remedy,
        avoid="" if twice else "Do not reseed with a copy of a data folder that brings its auto.cnf along.",
        evidence=evidence(
            {
                "same_as": other.address,
                "server_id": own.server_id if own else None,
                "server_uuid": own.server_uuid if own else None,
                "instance": own.instance if own else None,
            }
        ),
        settled=False,
    )


def _unknown_twin(world: World, server: ServerNow, observation: Observation, channel: ChannelObservation) -> Finding:
    return Finding(
        subject=subject(world, server, FindingCode.DUPLICATE_SERVER_ID),
        severity=Severity.CRITICAL,
        summary=f"{label(server)}{of_channel(channel)}: {channel.source} lets it in and throws it out again, as if a server that "
        f"is not in the inventory had its server_id {observation.server_id}",
        meaning="Two replicas that log in to one source with the same server_id throw each other out, again and again, and on "
        "MariaDB neither shows an error in its status. The other one is mostly a copy: a restored backup, a cloned machine. "
        "While one of them is connected the other falls behind.",
        remedy=f"The error log of {label(server)} has error 4052 where it is so. `SELECT USER, HOST, TIME FROM "
        f"information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'` on {channel.source}, some times over, shows from where "
        "both connect. Stop the other one, or give it a server_id of its own (in its option file, too). Without 4052, see what "
        "else ends connections there.",
        avoid="Do not reseed: it is not the data, and a copy of its data folder with its option file is one more of them.",
        evidence=evidence(
            {
                "server_id": observation.server_id,
                "source": channel.source,
                "receiver": channel.receiver.value,
                "receiver_state": channel.receiver_text,
            }
        ),
        settled=False,
    )

"""What all rules share: which servers may be spoken of, and how a finding is put together."""

from collections.abc import Iterator, Mapping

from repwatch.health.world import ServerNow, World, stale_after
from repwatch.model.finding import FindingCode, Subject
from repwatch.model.observation import ChannelObservation, Observation, Unobserved

# Characters of one piece of evidence: an error text of a server has at most 1024.
MOST = 2000


def is_stale(world: World, server: ServerNow) -> bool:
    """True if the latest look is too old to say anything about now."""
    return world.now - server.result.at > stale_after(world.cluster.poll_interval)


def seen(world: World) -> Iterator[tuple[ServerNow, Observation]]:
    """The servers that are seen now. Rules speak of these alone, except those about not seeing."""
    for server in world.servers:
        if isinstance(server.result, Observation) and not is_stale(world, server):
            yield server, server.result


def unseen(world: World) -> Iterator[tuple[ServerNow, Unobserved]]:
    """The servers whose latest look saw nothing."""
    for server in world.servers:
        if isinstance(server.result, Unobserved) and not is_stale(world, server):
            yield server, server.result


def channels(world: World) -> Iterator[tuple[ServerNow, ChannelObservation]]:
    """All channels that are seen now."""
    for server, observation in seen(world):
        for channel in observation.channels:
            yield server, channel


def subject(world: World, server: ServerNow | None, code: FindingCode, channel: str = "") -> Subject:
    """The identity of a finding; without a server it is about the cluster."""
    return Subject(world.cluster.name, server.address if server else "", channel, code)


def of_channel(channel: ChannelObservation) -> str:
    """(channel x), for summaries; nothing for the default channel."""
    return f" (channel {channel.name})" if channel.name else ""


def evidence(values: Mapping[str, object]) -> dict[str, str]:
    """Flat strings, in the given order, without what is not known; a long one (GTIDs with many gaps) is cut."""
    known = {name: str(value) for name, value in values.items() if value not in (None, "")}
    return {name: text if len(text) <= MOST else f"{text[:MOST]}…" for name, text in known.items()}

"""What the further servers of the inventory tell of a repair or a reseed: who follows its target, and whom they follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from repwatch.errors import RepwatchError
from repwatch.flows.beside import beside
from repwatch.health.rules_source import disputes
from repwatch.health.world import ServerNow, World
from repwatch.model.observation import Observation, ProbeFailure, Unobserved
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.ports.database import Connect, Database
from repwatch.reseed.facts import ServerFacts, reads_from
from repwatch.sql.replication import ChannelState, channel_state
from repwatch.sql.status import Part, statement
from repwatch.sql.status_rows import read_channels, read_identity

_AT_ONCE = 32  # servers that are asked
_MOMENT = datetime.fromtimestamp(0, UTC)  # all is looked at in one moment, and nothing is compared with when that was
_UNSEEN = Unobserved(at=_MOMENT, took=timedelta(0), failure=ProbeFailure.NOT_ASKED, text="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One server, as far as it takes to tell who replicates from whom."""

    observation: Observation
    channels: tuple[ChannelState, ...]


def glance_at(db: Database) -> Glance:
    """Who it is, and what it replicates from. Raises ServerError."""
    asked = (statement(part, db.version) for part in (Part.IDENTITY, Part.CHANNELS))
    who, rows = ([*db.texts(row.sql)] if row else [] for row in asked)
    identity = read_identity(next(iter(who), {}))
    observation = Observation(
        at=_MOMENT,
        took=timedelta(0),
        version=db.version,
        server_id=identity.server_id,
        server_uuid=identity.server_uuid,
        read_only=identity.read_only,
        log_bin=identity.log_bin,
        gtid_executed=identity.gtid_executed,
        instance=identity.instance,
        channels=read_channels(rows, identity),
    )
    return Glance(observation=observation, channels=tuple(map(channel_state, rows)))


def glance_at_all(others: tuple[ServerSpec, ...], connect: Connect) -> dict[str, Glance]:
    """Those that can be asked, by label."""

    def ask(other: ServerSpec) -> Glance | None:
        try:
            with connect(other.endpoint) as db:
                return glance_at(db)
        except RepwatchError:
            return None  # if it is connected to the target, the target's own list shows it

    found: dict[str, Glance] = {}
    for start in range(0, len(others), _AT_ONCE):
        some = others[start : start + _AT_ONCE]
        asked = [(other.label, beside(partial(ask, other), f"ask {other.label}")) for other in some]
        found |= {label: glance for label, answer in asked if (glance := answer.result()) is not None}
    return found


def replicas_of(
    target: ServerFacts, spec: ServerSpec, others: tuple[ServerSpec, ...], glances: Mapping[str, Glance]
) -> tuple[str, ...]:
    """The servers that replicate from the target, or are meant to."""
    names = {spec.name, str(target.address)} - {None}
    reading = {label for label, glance in glances.items() if any(reads_from(state, target) for state in glance.channels)}
    meant = {other.label for other in others if {other.replicates_from, *other.channels.values()} & names}
    return tuple(other.label for other in others if other.label in reading | meant)


def disputes_of(cluster: ClusterSpec, target: ServerSpec, glances: Mapping[str, Glance]) -> tuple[str, ...]:
    """What the watch would find of the source that the configuration of the cluster names, as sentences; mostly nothing.

    Also what it would find without the target: a replica that a switch-over has left behind is no witness for its old source.
    """
    every = tuple(_now(spec, glances.get(spec.label)) for spec in cluster.servers)
    without = tuple(server for server in every if server.spec.label != target.label)
    worlds = (World(cluster=cluster, source=cluster.source, servers=servers, now=_MOMENT) for servers in (every, without))
    return tuple(dict.fromkeys(finding.summary for world in worlds for finding in disputes(world)))


def _now(spec: ServerSpec, glance: Glance | None) -> ServerNow:
    seen = glance.observation if glance else None
    return ServerNow(spec=spec, result=seen or _UNSEEN, last_good=seen)

"""Asks the sources of a replica's other channels what they have of some tables. Changes nothing."""

from collections.abc import Collection, Iterable, Mapping

from repwatch.errors import RepwatchError
from repwatch.flows.reseed_others import Glance
from repwatch.flows.reseed_way import read_way
from repwatch.model.schema import TableName
from repwatch.model.topology import ServerSpec
from repwatch.ports.database import Connect, Database
from repwatch.reseed.facts import Feeder
from repwatch.sql import definitions
from repwatch.sql.replication import ChannelState


def read_feeders(
    states: Iterable[ChannelState],
    tables: Collection[TableName],
    target: Database,
    asked: Collection[tuple[ServerSpec, Glance]],
    connect: Connect,
) -> tuple[Feeder, ...]:
    """One for each of these channels of the target. Their sources are looked for among `asked`."""
    return tuple(_read_feeder(state, tables, target, asked, connect) for state in states)


def _read_feeder(
    state: ChannelState,
    tables: Collection[TableName],
    target: Database,
    asked: Collection[tuple[ServerSpec, Glance]],
    connect: Connect,
) -> Feeder:
    """Where the source is not found, or does not answer, that is said."""
    sources = [spec for spec, glance in asked if is_source(state, glance)]
    if len(sources) != 1:
        return Feeder(channel=state.channel, has=None)
    try:
        with connect(sources[0].endpoint) as db:
            way = read_way(db, target, state.channel)
            listed = {_folded(TableName(row["s"] or "", row["n"] or "")) for row in db.texts(definitions.LIST_TABLES)}
    except RepwatchError:
        return Feeder(channel=state.channel, has=None)
    return Feeder(channel=state.channel, has=frozenset(name for name in tables if _folded(name) in listed), way=way)


def glanced(specs: Collection[ServerSpec], glances: Mapping[str, Glance]) -> list[tuple[ServerSpec, Glance]]:
    """Those that have answered."""
    return [(spec, glances[spec.label]) for spec in specs if spec.label in glances]


def is_source(state: ChannelState, glance: Glance) -> bool:
    """True if the channel reads from that server."""
    seen = glance.observation
    if state.source_uuid and seen.server_uuid:
        return state.source_uuid == seen.server_uuid.lower()
    return bool(state.source_id) and state.source_id == seen.server_id


def _folded(name: TableName) -> TableName:
    """A replica may take names for one of which only the letters' case differs."""
    return TableName(name.schema.casefold(), name.table.casefold())

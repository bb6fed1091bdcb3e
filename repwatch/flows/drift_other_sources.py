"""Asks the sources of a replica that a check left out, whether rows that are too many may be theirs. Changes nothing.

A check of one channel compares with one source, and what the replica got from another looks like drift to it.
"""

from collections.abc import Collection, Iterable, Sequence

from repwatch.drift.report import DriftReport, ReplicaReport
from repwatch.drift.summary import name_there, with_replicas, without_surplus
from repwatch.errors import RepwatchError
from repwatch.flows.reseed_feeders import glanced, is_source, read_feeders
from repwatch.flows.reseed_others import glance_at, glance_at_all
from repwatch.model.schema import TableName
from repwatch.model.topology import ServerSpec
from repwatch.ports.database import Connect
from repwatch.reseed.facts import Feeder
from repwatch.reseed.feeders import may_feed
from repwatch.sql.replication import ChannelState


def beside_other_sources(report: DriftReport, servers: Sequence[ServerSpec], connect: Connect) -> DriftReport:
    """The report, in which rows too many are no drift where a source that was not checked has the table, or may have it.

    `servers`: of the inventory. As in a check of all channels, the table is undecided then, if it is right otherwise.
    """
    replicas = []
    for replica in report.replicas:
        checked = [other for other in report.replicas if other.server == replica.server]
        if replica.channels > len({other.source for other in checked}) and any(table.surplus for table in replica.tables):
            elsewhere = _elsewhere(replica, checked, servers, connect)
            replicas.append(without_surplus(replica, elsewhere, strict=report.strict))
        else:
            replicas.append(replica)
    return with_replicas(report, replicas)


def _elsewhere(
    replica: ReplicaReport, checked: Iterable[ReplicaReport], servers: Sequence[ServerSpec], connect: Connect
) -> frozenset[str]:
    """The tables with rows too many of which another source may have some, by their names on the replica."""
    doubtful = [table for table in replica.tables if table.surplus]
    # Where replication renames databases it is not followed what the other channel does.
    names = {name_there(table): TableName(table.schema, table.table) for table in doubtful if table.there is None}
    spec = next((server for server in servers if str(server.endpoint.address) == replica.server), None)
    feeders = None if spec is None else _feeders(spec, names.values(), checked, servers, connect)
    unfed = {
        shown for shown, name in names.items() if feeders is not None and not any(may_feed(feeder, name) for feeder in feeders)
    }
    return frozenset(map(name_there, doubtful)) - unfed


def _feeders(
    spec: ServerSpec,
    names: Collection[TableName],
    checked: Iterable[ReplicaReport],
    servers: Sequence[ServerSpec],
    connect: Connect,
) -> tuple[Feeder, ...] | None:
    """The channels whose sources were not compared with; None if the replica does not tell."""
    others = tuple(server for server in servers if server is not spec)
    asked = glanced(others, glance_at_all(others, connect))
    sources = {replica.source for replica in checked}
    compared = [glance for server, glance in asked if str(server.endpoint.address) in sources]

    def is_checked(state: ChannelState) -> bool:
        return any(is_source(state, glance) for glance in compared)

    try:
        with connect(spec.endpoint) as db:
            states = [state for state in glance_at(db).channels if not is_checked(state)]
            return read_feeders(states, names, db, asked, connect)
    except RepwatchError:
        return None

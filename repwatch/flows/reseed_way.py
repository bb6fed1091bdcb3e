"""Reads what replication leaves out, or puts elsewhere, between a source and one replica. Changes nothing."""

from repwatch.drift.filters import Filtering
from repwatch.drift.verdict import events_of
from repwatch.ports.database import Database
from repwatch.reseed.facts import Way
from repwatch.sql import drift_position as positions
from repwatch.sql import filters, replication


def read_way(source: Database, replica: Database, channel: str) -> Way:
    """By the channel, or by the server where the channel is yet to be made. Raises ServerError."""
    _, _, log_format, _, _ = source.text_row(positions.source_identity(source.version))
    case, rewrites = replica.text_row(filters.filter_settings(replica.version))
    rows = replica.texts(replication.show_channels(replica.version))
    shown = [row for row in rows if replication.channel_state(row).channel == channel]
    (row,) = shown or replica.texts(filters.server_filters(replica.version))
    filtering = Filtering(
        logged=filters.parse_log_status(source.texts(filters.log_status(source.version))),
        channels=(filters.parse_filters(row, rewrites),),
        fold=case != "0",
    )
    return Way(filtering=filtering, events=events_of(log_format))

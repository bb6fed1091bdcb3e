"""What a replica has received and not applied."""

from repwatch.model.gtid import missing_count
from repwatch.model.observation import ChannelObservation
from repwatch.model.server import Flavour


def has_work(flavour: Flavour, channel: ChannelObservation) -> bool:
    """True if something is received and not applied."""
    if channel.gtid_received == channel.gtid_executed != "":
        return False
    if channel.uses_gtid and channel.gtid_received:
        try:
            return missing_count(flavour, channel.gtid_executed, channel.gtid_received) > 0
        except ValueError:
            return False
    return bool(channel.applied_log) and channel.applied_log != channel.source_log

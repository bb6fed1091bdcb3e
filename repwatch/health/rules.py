"""From the world to findings: an ordered table of small rules. Each says one thing, of what is seen and of nothing else.

A server that is not seen yields a finding about that and no other: unknown is not healthy, and not guessed either.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from repwatch.health import (
    heart,
    rules_applier,
    rules_channel,
    rules_clock,
    rules_disk,
    rules_progress,
    rules_purge,
    rules_room,
    rules_semisync,
    rules_server,
    rules_settings,
    rules_source,
    rules_suspect,
    rules_topology,
)
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity


class Rule(NamedTuple):
    """One finding code and the function that finds it."""

    code: FindingCode
    find: Callable[[World], Iterator[Finding]]


RULES = (
    Rule(FindingCode.SERVER_UNREACHABLE, rules_server.unreachable),
    Rule(FindingCode.LOGIN_REFUSED, rules_server.login_refused),
    Rule(FindingCode.PRIVILEGE_MISSING, rules_server.privilege_missing),
    Rule(FindingCode.DISK_FULL, rules_disk.disk_full),
    Rule(FindingCode.OBSERVATION_STALE, rules_server.stale),
    Rule(FindingCode.DUPLICATE_SERVER_ID, rules_server.duplicate_server_id),
    Rule(FindingCode.HALF_LOADED, rules_server.half_loaded),
    Rule(FindingCode.REPLICATION_MISSING, rules_topology.replication_missing),
    Rule(FindingCode.WRONG_SOURCE, rules_topology.wrong_source),
    Rule(FindingCode.SOURCE_CHANGED, rules_source.source_changed),
    Rule(FindingCode.SOURCE_READ_ONLY, rules_settings.source_read_only),
    Rule(FindingCode.COMMITS_BLOCKED, rules_semisync.commits_blocked),
    Rule(FindingCode.BINLOG_PURGED, rules_purge.binlog_purged),
    Rule(FindingCode.PURGE_HORIZON, rules_purge.purge_horizon),
    Rule(FindingCode.APPLIER_ERROR, rules_channel.applier_error),
    Rule(FindingCode.RECEIVER_ERROR, rules_channel.receiver_error),
    Rule(FindingCode.RECEIVER_RETRYING, rules_channel.receiver_retrying),
    Rule(FindingCode.RECEIVER_STALLED, rules_progress.receiver_stalled),
    Rule(FindingCode.APPLIER_STOPPED, rules_channel.applier_stopped),
    Rule(FindingCode.RECEIVER_STOPPED, rules_channel.receiver_stopped),
    Rule(FindingCode.ERRANT_TRANSACTIONS, rules_suspect.errant),
    Rule(FindingCode.SUSPECT_DATA, rules_suspect.suspect_data),
    Rule(FindingCode.SKIPPED_TRANSACTIONS, rules_suspect.skipped),
    Rule(FindingCode.APPLIER_BLOCKED, rules_applier.applier_blocked),
    Rule(FindingCode.APPLIER_STALLED, rules_applier.applier_stalled),
    Rule(FindingCode.RELAY_SPACE_FULL, rules_room.relay_space_full),
    Rule(FindingCode.DISK_NEARLY_FULL, rules_room.disk_nearly_full),
    Rule(FindingCode.LAGGING, rules_channel.lagging),
    Rule(FindingCode.AUTO_INCREMENT_EXHAUSTION, rules_room.auto_increment_exhaustion),
    Rule(FindingCode.HEARTBEAT_STOPPED, heart.heartbeat_stopped),
    Rule(FindingCode.CLOCK_SKEW, rules_clock.clock_skew),
    Rule(FindingCode.SEMISYNC_DEGRADED, rules_semisync.degraded),
    Rule(FindingCode.UNSAFE_SETTINGS, rules_settings.unsafe_settings),
    Rule(FindingCode.REPLICATION_FILTERS_DIFFER, rules_settings.filters_differ),
    Rule(FindingCode.REPLICA_WRITABLE, rules_server.replica_writable),
)
"""The worst and the causes first; a person reads them in this order."""

OF_A_RESEED = {
    FindingCode.APPLIER_STOPPED,
    FindingCode.RECEIVER_STOPPED,
    FindingCode.LAGGING,
    FindingCode.REPLICATION_MISSING,
    FindingCode.REPLICA_WRITABLE,
}
"""What a reseed does to its replica on purpose, until it is done."""


def diagnose(world: World) -> tuple[Finding, ...]:
    """All findings of a cluster at one moment, in the order of RULES, then of the inventory."""
    return _within_reseeds(tuple(finding for rule in RULES for finding in rule.find(world)))


def _within_reseeds(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What a reseed does on purpose stays a fact, but to start a half-loaded replica by hand would be the wrong remedy."""
    marked = {finding.subject.server for finding in findings if finding.subject.code is FindingCode.HALF_LOADED}
    return tuple(
        replace(finding, severity=Severity.WARNING, remedy="It belongs to the reseed of this replica: see half-loaded.", avoid="")
        if finding.subject.server in marked and finding.subject.code in OF_A_RESEED
        else finding
        for finding in findings
    )

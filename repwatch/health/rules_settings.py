"""Rules about settings: those that let data differ or get lost, filters that differ, a source that takes no writes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from repwatch.health.inventory import find, is_replica, is_source, label, same_server, source_of, wanted_source
from repwatch.health.rules_common import channels, evidence, of_channel, seen, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, Observation
from repwatch.model.risks import Risks


@dataclass(frozen=True, slots=True)
class _Unsafe:
    """One setting: where it matters, which values are unsafe there, why, and what to set instead."""

    name: str
    of: Callable[[World, ServerNow, Observation], bool]
    unsafe: Callable[[str], bool]
    why: str
    instead: str
    remedy: str = "set {name} = {instead}"
    verbatim: bool = False  # it is no keyword, and shown as it is written


def _source(world: World, server: ServerNow, _: Observation) -> bool:
    return is_source(world, server)


def _replica(world: World, server: ServerNow, observation: Observation) -> bool:
    return bool(observation.channels) and is_replica(world, server)


def _passes_on(world: World, server: ServerNow, observation: Observation) -> bool:
    """True in the middle of a chain."""
    read_from = (source_of(world, channel) for other in world.servers for channel in _channels_of(other))
    return bool(observation.channels) and any(source is server for source in read_from)


def _channels_of(server: ServerNow) -> tuple[ChannelObservation, ...]:
    return server.last_good.channels if server.last_good else ()


def _by_position(world: World, server: ServerNow, observation: Observation) -> bool:
    return _replica(world, server, observation) and not all(channel.uses_gtid for channel in observation.channels)


def _unlike_source(name: str) -> Callable[[World, ServerNow, Observation], bool]:
    """True where a replica and one of its sources have different values; a failover between them changes what is written."""

    def differs(world: World, server: ServerNow, observation: Observation) -> bool:
        own, theirs = _setting(observation, name), (_setting(source, name) for source in _sources(world, server, observation))
        return any(value not in ("", own) for value in theirs)

    return differs


def _logs_unlike_source(world: World, server: ServerNow, observation: Observation) -> bool:
    """A server without a binary log can be nobody's source."""
    return observation.log_bin and _unlike_source("binlog_format")(world, server, observation)


def _feeds(world: World, server: ServerNow, observation: Observation) -> bool:
    """True for whom replicas read from."""
    return observation.log_bin and (_source(world, server, observation) or _passes_on(world, server, observation))


def _feeds_rows(world: World, server: ServerNow, observation: Observation) -> bool:
    """True for whom replicas get rows from, and not statements alone."""
    return _feeds(world, server, observation) and _setting(observation, "binlog_format") != "statement"


def _sources(world: World, server: ServerNow, observation: Observation) -> Iterator[Observation]:
    """As last seen: what differs from a source does not cease to when the source is down."""
    for channel in observation.channels if is_replica(world, server) else ():
        source = source_of(world, channel)
        if source is not None and source.last_good is not None:
            yield source.last_good


def _setting(observation: Observation, name: str) -> str:
    return observation.risks.settings.get(name, "") if observation.risks else ""


def _older_than_source(world: World, server: ServerNow, observation: Observation) -> bool:
    """By release series. Of MySQL and MariaDB neither is the other's older one."""
    own = observation.version
    theirs = [source.version for source in _sources(world, server, observation)]
    return any(each.flavour is own.flavour and own.number[:2] < each.number[:2] for each in theirs)


def _always(_: str) -> bool:
    return True


def _not(*safe: str) -> Callable[[str], bool]:
    return lambda value: value not in safe


# The worst first. MariaDB's gtid_strict_mode is not here: it is off by default, and errant writes are found without it.
_TABLE = (
    _Unsafe(
        "replica_exec_mode",
        _replica,
        _not("strict"),
        "rows that are missing or there already are passed over in silence: the replica differs, and no error says so",
        "STRICT",
    ),
    _Unsafe(
        "replica_skip_errors",
        _replica,
        _not("off"),
        "the applier passes over these errors: what they were about is missing or different from then on",
        "OFF (in the option file; it takes a restart)",
    ),
    # Both manuals, "Replication of Columns Having Different Data Types"; ALL_NON_LOSSY cuts nothing.
    _Unsafe(
        "replica_type_conversions",
        _replica,
        lambda value: "all_lossy" in value.split(","),
        "a value that does not fit a narrower column of this replica is cut to fit, and no error says so",
        "'' and give its columns the types that they have on the source",
    ),
    _Unsafe(
        "log_replica_updates",
        _passes_on,
        lambda value: value in ("0", "off"),
        "what this server replicates never gets into its own binary log: its replicas miss all of it, and show no lag",
        "ON (in the option file; it takes a restart)",
    ),
    *(
        _Unsafe(
            name,
            _feeds,
            _always,
            "what it leaves out of the binary log reaches no replica, and is gone after a failover; where statements are logged "
            "it goes by the session's default schema, so that writes to other schemas are lost as well",
            "",
            remedy="take {name} out of the option file and restart the server, let the replicas leave out what they need not "
            "have (replicate_…), and rebuild those that lack data",
            verbatim=True,
        )
        for name in ("binlog_do_db", "binlog_ignore_db")
    ),
    _Unsafe(
        "binlog_format",
        _source,
        lambda value: value == "statement",
        "statements that are not deterministic have another effect on the replicas",
        "ROW",
    ),
    _Unsafe(
        "binlog_format",
        _logs_unlike_source,
        lambda value: value == "statement",
        "after a failover to this replica, statements that are not deterministic have another effect on the others; its "
        "source logs otherwise",
        "ROW",
    ),
    # MySQL manual, "Replication and Binary Logging Options", binlog_row_image: then source and replica diverge in silence.
    _Unsafe(
        "binlog_row_image",
        _feeds_rows,
        _not("full", "full_nodup"),
        "rows are found on replicas by the source's key alone: where a table's columns or primary key are not the same there, "
        "others may be changed in their place, and no error says so",
        "FULL",
    ),
    _Unsafe(
        "gtid_mode",
        _unlike_source("gtid_mode"),
        _always,
        "its source has another one: after a failover to it the others may not be able to find their place, or receive nothing",
        "what its source has, step by step",
    ),
    _Unsafe(
        "version",
        _older_than_source,
        _always,
        "it is older than its source: what the source writes may be unknown to it, and stop it or be taken otherwise",
        "at least that of its source",
        remedy="bring its {name} to {instead}: replicas are upgraded before their source",
    ),
    _Unsafe(
        "sync_binlog",
        _source,
        _not("1"),
        "after a crash of its host the source may lack transactions that its replicas have",
        "1",
    ),
    _Unsafe(
        "innodb_flush_log_at_trx_commit",
        _source,
        _not("1", "3"),
        "after a crash of its host the source may lack transactions that its binary log has",
        "1",
    ),
    _Unsafe(
        "relay_log_recovery",
        _by_position,
        _not("1", "on"),
        "without GTIDs, a crash of its host can leave position and relay log apart: transactions are applied twice or not at all",
        "ON (in the option file; it takes a restart)",
    ),
)


def unsafe_settings(world: World) -> Iterator[Finding]:
    """A server's settings let its data differ, or get lost, without any error."""
    for server, observation in seen(world):
        risks = observation.risks or Risks()
        settings = {**risks.settings, **(risks.log_filters or {}), "version": observation.version.text}
        found = [
            row
            for row in _TABLE
            if row.name in settings and row.unsafe(settings[row.name]) and row.of(world, server, observation)
        ]
        if found and not same_server(world, server):
            yield _unsafe(world, server, found, settings, mariadb=observation.version.is_mariadb)


def _unsafe(world: World, server: ServerNow, found: list[_Unsafe], settings: Mapping[str, str], *, mariadb: bool) -> Finding:
    names = {row.name: row.name.replace("replica", "slave") if mariadb else row.name for row in found}
    shown = {row.name: settings[row.name] if row.verbatim else settings[row.name].upper() for row in found}
    listed = ", ".join(f"{names[row.name]} = {shown[row.name]}" for row in found)
    return Finding(
        subject=subject(world, server, FindingCode.UNSAFE_SETTINGS),
        severity=Severity.WARNING,
        summary=f"{label(server)} has unsafe settings: {listed}",
        meaning=" ".join(f"{names[row.name]}: {row.why}." for row in found),
        remedy=_upper("; ".join(row.remedy.format(name=names[row.name], instead=row.instead) for row in found))
        + ". Change the option file, too.",
        evidence=evidence({names[row.name]: shown[row.name] for row in found}),
        settled=False,
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def filters_differ(world: World) -> Iterator[Finding]:
    """Replicas of one source do not leave out the same."""
    groups: dict[str, list[tuple[ServerNow, ChannelObservation]]] = {}
    for server, channel in channels(world):
        source = wanted_source(world, server, channel.name)
        if source is not None and is_replica(world, server) and not same_server(world, server):
            groups.setdefault(source.address, []).append((server, channel))
    for members in groups.values():
        usual = _usual([channel.filters for _, channel in members])
        for server, channel in members:
            if channel.filters != usual:
                yield _differs(world, server, channel, usual)


def _usual(filters: list[str]) -> str:
    """What most have; of equally many, nothing before something."""
    counted = Counter(filters)
    return min(counted, key=lambda text: (-counted[text], text))


def _differs(world: World, server: ServerNow, channel: ChannelObservation, usual: str) -> Finding:
    return Finding(
        subject=subject(world, server, FindingCode.REPLICATION_FILTERS_DIFFER, channel.name),
        severity=Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)} leaves out other data than its siblings: {channel.filters or 'nothing'}",
        meaning="Replicas of one source do not hold the same data. What one of them lacks is gone after a failover to it.",
        remedy="If it is intended, do not fail over between these replicas. If not, make the filters the same, and rebuild the "
        "replica that lacks data with `repwatch reseed`: a filter that is taken away does not bring back what it kept out.",
        evidence=evidence({"filters": channel.filters or "none", "siblings": usual or "none"}),
        settled=False,
    )


def source_read_only(world: World) -> Iterator[Finding]:
    """The source takes no writes."""
    source = find(world, world.source)
    for server, observation in seen(world):
        if server is source and observation.read_only and len(world.servers) > 1:
            yield Finding(
                subject=subject(world, server, FindingCode.SOURCE_READ_ONLY),
                severity=Severity.CRITICAL,
                summary=f"{label(server)} is the source, and takes no writes (read_only is on)",
                meaning="Applications cannot write to this cluster; or another server has become its source, and the "
                "configuration does not say so.",
                remedy=f"If it is the source: `SET GLOBAL read_only = OFF` on {label(server)}. If not, correct `source`.",
                avoid="Do not make it writable while another server takes the writes: their data would go apart.",
                evidence=evidence({"read_only": "on"}),
                settled=False,
            )

"""What pasted text means, by the same rules as the service's: its rows become the observation of one replica, and that a world.

Only what the text shows is spoken of: of an error alone neither the other thread's state nor the lag is known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from repwatch.health.errors_applier import APPLIER_ERRORS
from repwatch.health.errors_catalogue import UNKNOWN, advise
from repwatch.health.errors_receiver import RECEIVER_ERRORS
from repwatch.health.rules import diagnose
from repwatch.health.world import ServerNow, World
from repwatch.model.endpoint import Endpoint
from repwatch.model.finding import Finding, FindingCode
from repwatch.model.observation import ChannelObservation, NoSpace, Observation
from repwatch.model.server import Address, Flavour, ServerVersion
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.sql.paste import Pasted, PasteKind, version_of
from repwatch.sql.paste_errors import PastedError, Thread, family_of_line
from repwatch.sql.status_columns import RawRow
from repwatch.sql.status_rows import Identity, read_channels
from repwatch.sql.status_texts import hide_secrets

REPLICA = Address("replica-host")
"""What the pasted replica is called: a status does not tell the name of its own server."""

_CLUSTER = "pasted"
_SOURCE = "source-host"
_ASSUMED = ServerVersion.parse("8.4.0")
_OF_AN_ERROR = {"errno", "error_class", "error", "transaction", "table", "worker"}
_ENTRIES = {Thread.RECEIVER: RECEIVER_ERRORS, Thread.APPLIER: APPLIER_ERRORS}
# A status says nothing of these; the identity that it gets here must not make a rule speak of them.
_UNTOLD = Identity(
    server_id=0,
    server_uuid="",
    read_only=True,
    log_bin=True,
    half_loaded=False,
    gtid_executed="",
    gtid_applied="",
    performance_schema=False,
    instance="",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One channel, or one error, and what is wrong. `whole` is false where the text shows an error alone."""

    kind: PasteKind
    channel: ChannelObservation | None  # None: it is about the server
    flavour: Flavour | None  # None: the text does not tell; the commands are then in MySQL's words
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether the state of the threads is known, too."""
        return self.kind is PasteKind.STATUS and self.channel is not None


def explain(pasted: Pasted, now: datetime) -> tuple[Explanation, ...]:
    """One for each channel or error, and one of the server; none if there is no entry for the error."""
    channels = (each for row in pasted.rows for each in _of_status(row, now))
    errors = (each for error in pasted.errors for each in _of_error(pasted.kind, error, now))
    return (*channels, *errors, *_of_server(pasted, now))


def _of_server(pasted: Pasted, now: datetime) -> Iterator[Explanation]:
    """A server without any channel, or whose log tells of a full disk."""
    if pasted.no_space:
        version = family_of_line(pasted.no_space)
        seen = replace(_seen((), version or _ASSUMED, now), no_space=NoSpace(at=now, text=hide_secrets(pasted.no_space)))
        found = tuple(_bare(each) for each in _diagnose(seen, {}, now) if each.subject.code is FindingCode.DISK_FULL)
        yield Explanation(kind=pasted.kind, channel=None, flavour=version.flavour if version else None, findings=found)
    elif not pasted.rows and not pasted.errors:
        findings = _diagnose(_seen((), _ASSUMED, now), {"": _SOURCE}, now)
        yield Explanation(kind=pasted.kind, channel=None, flavour=None, findings=findings)


def _of_status(row: RawRow, now: datetime) -> Iterator[Explanation]:
    version = version_of(row)
    # With no source in the text the row is one of a channel all the same.
    for channel in read_channels([{**row, "Source_Host": _host(row)}], _UNTOLD):
        findings = _of_channel(channel, version, now)
        yield Explanation(kind=PasteKind.STATUS, channel=channel, flavour=version.flavour, findings=findings)


def _host(row: RawRow) -> str:
    return row.get("Source_Host") or row.get("Master_Host") or _SOURCE


def _of_error(kind: PasteKind, error: PastedError, now: datetime) -> Iterator[Explanation]:
    version = error.version
    for thread in _threads(error):
        (channel,) = read_channels([error.row(thread)], _UNTOLD)
        findings = tuple(_bare(finding) for finding in _of_channel(channel, version or _ASSUMED, now))
        yield Explanation(kind=kind, channel=channel, flavour=version.flavour if version else None, findings=findings)


def _threads(error: PastedError) -> Iterable[Thread]:
    """Whose error it is; where it does not say: all that have an entry for number and text."""
    if error.thread is not None:
        return (error.thread,)
    return [thread for thread, entries in _ENTRIES.items() if advise(error.errno, error.text, entries) is not UNKNOWN]


def _bare(finding: Finding) -> Finding:
    return replace(finding, evidence={name: text for name, text in finding.evidence.items() if name in _OF_AN_ERROR})


def _of_channel(channel: ChannelObservation, version: ServerVersion, now: datetime) -> tuple[Finding, ...]:
    return _diagnose(_seen((channel,), version, now), {channel.name: str(channel.source)}, now)


def _seen(channels: tuple[ChannelObservation, ...], version: ServerVersion, now: datetime) -> Observation:
    return Observation(
        at=now,
        took=timedelta(0),
        version=version,
        server_id=0,
        server_uuid="",
        read_only=True,
        log_bin=True,
        gtid_executed=channels[0].gtid_executed if channels else "",
        channels=channels,
    )


def _diagnose(seen: Observation, wanted: dict[str, str], now: datetime) -> tuple[Finding, ...]:
    """What is found of a replica that is to have these channels, by their sources."""
    spec = ServerSpec(endpoint=Endpoint(REPLICA, ""), channels=wanted)
    source = next(iter(wanted.values()), str(REPLICA))
    cluster = ClusterSpec(name=_CLUSTER, source=source, servers=(spec,))
    world = World(cluster=cluster, source=source, servers=(ServerNow(spec=spec, result=seen, last_good=seen),), now=now)
    return tuple(finding for finding in diagnose(world) if finding.subject.server == str(REPLICA))

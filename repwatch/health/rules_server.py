"""Rules about a server as such: whether it can be seen, who it is, whether it takes writes."""

from collections.abc import Iterator, Mapping

from repwatch.health import commands
from repwatch.health.inventory import is_replica, label, same_server, wanted_source
from repwatch.health.progress import progressing
from repwatch.health.rules_common import evidence, is_stale, seen, subject, unseen
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import Emptied, Observation, ProbeFailure, Unobserved
from repwatch.sql.reseed import MARKER_SCHEMA

_SILENT = {
    ProbeFailure.UNREACHABLE: "cannot be reached",
    ProbeFailure.TIMED_OUT: "does not answer in time",
    ProbeFailure.NOT_MYSQL: "is no MySQL or MariaDB server",
    ProbeFailure.FAILED: "gives answers that repwatch does not understand",
}
_UNKNOWN_STATE = "Nothing is known about its replication meanwhile; it may be healthy or broken."


def _seen_last(server: ServerNow) -> str:
    return server.last_good.at.isoformat() if server.last_good else "never"


def _failure(server: ServerNow, result: Unobserved) -> dict[str, str]:
    return evidence(
        {
            "errno": result.errno,
            "error": result.text,
            "failure": result.failure.value,
            "account": server.spec.endpoint.user,
            "seen_last": _seen_last(server),
        }
    )


def unreachable(world: World) -> Iterator[Finding]:
    """Nothing answers, or nothing that can be understood."""
    for server, result in unseen(world):
        alive = progressing(world, server) if result.failure in _SILENT else {}
        if alive:
            yield _out_of_sight(world, server, result, alive)
        elif result.failure in _SILENT:
            yield Finding(
                subject=subject(world, server, FindingCode.SERVER_UNREACHABLE),
                severity=Severity.CRITICAL,
                summary=f"{label(server)} {_SILENT[result.failure]}: {result.text}",
                meaning="The server is down or frozen, or the way from repwatch to it is closed. " + _UNKNOWN_STATE,
                remedy=_sentence(result.hint or "see whether the server runs, and whether repwatch's host reaches its port")
                + "Before a failover, make sure by a second way that it is really down.",
                avoid="Do not promote another server because repwatch alone cannot see this one.",
                evidence=_failure(server, result),
                settled=False,
            )


def _out_of_sight(world: World, server: ServerNow, result: Unobserved, alive: Mapping[str, str]) -> Finding:
    return Finding(
        subject=subject(world, server, FindingCode.SERVER_UNREACHABLE),
        severity=Severity.WARNING,
        summary=f"repwatch does not reach {label(server)}, but {', '.join(alive)} still receive from it",
        meaning="The server is alive; the way from repwatch to it is closed, or it is too busy to answer. "
        "Whether it takes writes is not known.",
        remedy=_sentence(result.hint or "see whether repwatch's host reaches its port")
        + "If other hosts reach it, the network is at fault, not the server.",
        avoid="Do not promote another server: this one is at work, and there would be two sources.",
        evidence=_failure(server, result)
        | evidence({"replicas_progress": ", ".join(f"{replica} {when}" for replica, when in alive.items())}),
        settled=False,
    )


def login_refused(world: World) -> Iterator[Finding]:
    """It is alive and does not let repwatch in."""
    for server, result in unseen(world):
        if result.failure is ProbeFailure.LOGIN_REFUSED:
            yield Finding(
                subject=subject(world, server, FindingCode.LOGIN_REFUSED),
                severity=Severity.CRITICAL,
                summary=f"{label(server)} does not let repwatch log in: {result.text}",
                meaning="The server is alive. " + _UNKNOWN_STATE,
                remedy=f"{_sentence(result.hint)}Try it with `repwatch doctor {world.cluster.name}`.",
                avoid="Do not give repwatch an administrator's account instead: it needs few privileges.",
                evidence=_failure(server, result),
                settled=False,
            )


def privilege_missing(world: World) -> Iterator[Finding]:
    """It lets repwatch in, and does not show its replication."""
    for server, result in unseen(world):
        if result.failure is ProbeFailure.PRIVILEGE_MISSING:
            yield Finding(
                subject=subject(world, server, FindingCode.PRIVILEGE_MISSING),
                severity=Severity.CRITICAL,
                summary=f"{label(server)} does not show repwatch its replication: {result.text}",
                meaning="The account that repwatch uses lacks a privilege. " + _UNKNOWN_STATE,
                remedy=f"On the server: `{result.hint}`. `repwatch doctor {world.cluster.name}` prints all that is missing.",
                avoid="Do not grant SUPER or ALL instead.",
                evidence=_failure(server, result),
                settled=False,
            )


def stale(world: World) -> Iterator[Finding]:
    """The latest look is old, or there was none: repwatch itself is late."""
    for server in world.servers:
        result = server.result
        prevented = isinstance(result, Unobserved) and result.failure is ProbeFailure.NOT_ASKED and result.text
        if prevented or is_stale(world, server):
            age = round((world.now - result.at).total_seconds())
            why = (
                f"could not look at {label(server)}: {prevented}" if prevented else f"last looked at {label(server)} {age} s ago"
            )
            yield Finding(
                subject=subject(world, server, FindingCode.OBSERVATION_STALE),
                severity=Severity.CRITICAL,
                summary=f"repwatch {why}",
                meaning="The look at this server does not come back, or repwatch is held up. " + _UNKNOWN_STATE,
                remedy="Look at repwatch's own log, and at the load and the limits of its host.",
                evidence=evidence({"last_look": result.at.isoformat(), "seen_last": _seen_last(server)}),
                settled=False,
            )


def half_loaded(world: World) -> Iterator[Finding]:
    """A reseed has begun on it and is not proved, or a clone has emptied it."""
    for server, observation in seen(world):
        if observation.emptied is not None:
            yield _emptied(world, server, observation.emptied)
        elif observation.half_loaded:
            command = f"repwatch reseed {world.cluster.name}/{server.spec.label} --resume"
            yield Finding(
                subject=subject(world, server, FindingCode.HALF_LOADED),
                severity=Severity.CRITICAL,
                summary=f"{label(server)} is being reseeded: its data are not whole yet",
                meaning="A reseed has marked this replica and has not proved it yet. Whether it still runs cannot be seen here.",
                remedy=f"If it was interrupted, finish it: `{command}`.",
                avoid="Do not read from it, do not promote it, and do not remove the mark by hand.",
                evidence=evidence({"marker": f"schema {MARKER_SCHEMA}"}),
            )


def _emptied(world: World, server: ServerNow, emptied: Emptied) -> Finding:
    how = "is being cloned" if emptied.running else "was to be cloned, which has failed"
    replica = f"{world.cluster.name}/{server.spec.label}"
    again = f"If `repwatch reseed` began it: `repwatch reseed {replica} --resume`; else clone it again, or restore it."
    return Finding(
        subject=subject(world, server, FindingCode.HALF_LOADED),
        severity=Severity.CRITICAL,
        summary=f"{label(server)} {how}, and is without its data: a clone from {emptied.donor} has removed them",
        meaning="A clone removes all data before it brings the donor's. The channels are still there, and can be started"
        " over the empty server: nothing of replication's own would show then that the data are gone. Who fills the server from"
        " a dump sets gtid_purged to the dump's, which tells that they are back.",
        remedy="Wait for its end." if emptied.running else again,
        avoid="Do not read from it, do not promote it, and do not start replication before its data are back.",
        evidence=evidence(
            {
                "clone": "in progress" if emptied.running else "failed",
                "donor": emptied.donor,
                "begun": emptied.begun,
                "errno": emptied.errno or "",
                "error": emptied.error,
            }
        ),
    )


def duplicate_server_id(world: World) -> Iterator[Finding]:
    """Two entries of the inventory have one identity."""
    before: list[tuple[ServerNow, Observation]] = []
    for server, observation in seen(world):
        for other, its in before:
            if shared := _shared_identity(observation, its):
                yield _duplicate(world, server, other, shared)
                break
        before.append((server, observation))


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


def replica_writable(world: World) -> Iterator[Finding]:
    """A replica takes writes, and nobody has said that it should."""
    for server, observation in seen(world):
        if observation.read_only or server.spec.writable or not is_replica(world, server) or same_server(world, server):
            continue
        yield _writable(world, server, observation)


def _writable(world: World, server: ServerNow, observation: Observation) -> Finding:
    """Worst where it replicates from nobody: as an old source that was not stopped, with applications that still write to it."""
    detached, source = not observation.channels, wanted_source(world, server, "")
    twice = detached and source is not None and source.observation is not None and not source.observation.read_only
    alone = f", as {label(source)} does" if twice and source else " and gets none of its source's"
    read_only = commands.set_read_only(observation.version)
    return Finding(
        subject=subject(world, server, FindingCode.REPLICA_WRITABLE),
        severity=Severity.CRITICAL if detached else Severity.WARNING,
        summary=f"{label(server)} is a replica and takes writes{alone if detached else ''} (read_only is off)",
        meaning=_TWO_HISTORIES
        if detached
        else "Any account with write privileges can change the data here. Such changes never reach the source: the replica "
        "differs from then on, and sooner or later replication stops on it.",
        remedy=f"On {label(server)}: {read_only}, and the same in its option file. If somebody has written already, check: "
        + (commands.compare(source, server) if detached and source else f"`repwatch drift {world.cluster.name}`")
        + ". If writes are intended: writable = true.",
        avoid="Do not set it on the source by mistake: all writes would fail.",
        evidence=evidence({"read_only": "off", "takes_writes_too": source.address if twice and source else ""}),
        settled=False,
    )


_TWO_HISTORIES = (
    "It should replicate, has no channel, and can be written to: what is written here is missing everywhere else, and what is "
    "written to the source is missing here. Each minute of it makes more to bring together by hand."
)


def _sentence(text: str) -> str:
    """A hint as the beginning of a paragraph."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.?!' else '.'} "

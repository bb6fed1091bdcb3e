"""What makes a replica's data suspect, and what a suspicion becomes from look to look. Only a check clears one.

A cause that lasts (a setting, an errant transaction) raises one suspicion: once a check has cleared it, it is remembered as
cleared for as long as it is to be seen, so that nothing is checked over and over for what is known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from repwatch.health.errant import errant_transactions
from repwatch.health.errors_applier import APPLIER_ERRORS
from repwatch.health.errors_catalogue import ErrorClass, advise
from repwatch.health.inventory import is_replica, is_source, wanted_channels
from repwatch.health.rules_common import seen
from repwatch.health.skips import injected
from repwatch.health.world import ServerNow, World
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.past import Past
from repwatch.model.risks import Suspicion, SuspicionCause

# Errors that only a replica whose rows are not the source's can run into.
DIFFERS = {ErrorClass.DUPLICATE_KEY, ErrorClass.ROW_NOT_FOUND, ErrorClass.LOST_EVENTS}
MOST_DETAILS = 20

_Key = tuple[str, str, SuspicionCause]  # server, channel


@dataclass(frozen=True, slots=True)
class _Trigger:
    cause: SuspicionCause
    details: tuple[str, ...]
    tables: tuple[str, ...] = ()


def suspect(known: Iterable[Suspicion], world: World) -> tuple[Suspicion, ...]:
    """The suspicions after a look at the world. Those of servers that were not seen stay as they are."""
    configured = {server.address for server in world.servers}
    kept = {(s.server, s.channel, s.cause): s for s in known if s.server in configured}
    for server, observation in seen(world):
        _follow(kept, server, observation)
        if is_source(world, server) and not observation.channels:  # of no transaction can be said that its source lacks it
            kept = {key: each for key, each in kept.items() if (key[0], key[2]) != (server.address, SuspicionCause.ERRANT)}
        for name, triggers in _by_channel(world, server, observation):
            found = {trigger.cause: trigger for trigger in triggers}
            for cause in SuspicionCause:
                key = (server.address, name, cause)
                after = _after(kept.get(key), found.get(cause), key, world.now)
                kept.pop(key, None)
                if after is not None:
                    kept[key] = after
    return tuple(sorted(kept.values(), key=lambda s: (s.server, s.channel, s.cause)))


def _follow(kept: dict[_Key, Suspicion], server: ServerNow, observation: Observation) -> None:
    """A server that had no channel may get its only one under any name where the inventory gives it none: that is checked."""
    names = [channel.name for channel in observation.channels]
    if len(names) != 1 or server.spec.channels:
        return
    for key, suspicion in list(kept.items()):
        address, name, cause = key
        if address == server.address and name not in names and cause is SuspicionCause.ERRANT:
            del kept[key]
            kept.setdefault((address, names[0], cause), replace(suspicion, channel=names[0]))


def _by_channel(world: World, server: ServerNow, observation: Observation) -> Iterator[tuple[str, Iterable[_Trigger]]]:
    """A server that should replicate and does not, an old source above all, may have what its source has not all the same."""
    for channel in observation.channels:
        yield channel.name, _triggers(world, server, observation, channel)
    if not observation.channels and is_replica(world, server) and not observation.half_loaded:
        for name in wanted_channels(world, server):
            yield name, _errant(world, server)


def _errant(world: World, server: ServerNow) -> Iterator[_Trigger]:
    if errant := errant_transactions(world, server):
        yield _Trigger(SuspicionCause.ERRANT, (errant,))


def _after(known: Suspicion | None, found: _Trigger | None, key: _Key, now: datetime) -> Suspicion | None:
    if found is None:
        return known if known and known.cleared is None else None
    if known is None:
        return Suspicion(server=key[0], channel=key[1], cause=key[2], details=found.details, since=now, tables=found.tables)
    if set(found.details) <= set(known.details):
        return known
    if known.cleared:
        return replace(known, details=found.details, since=now, tables=found.tables, cleared=None)
    details = tuple(dict.fromkeys((*known.details, *found.details)))[-MOST_DETAILS:]
    return replace(known, details=details, since=now, tables=_both(known.tables, found.tables))


def _both(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *two})) if one and two else ()


def _triggers(world: World, server: ServerNow, observation: Observation, channel: ChannelObservation) -> Iterator[_Trigger]:
    if not is_replica(world, server) or observation.half_loaded:
        return
    yield from _errant(world, server)
    past = world.past.get(server.spec.label, Past())
    if skipped := tuple(filter(None, (injected(observation), past.skipped, _errors_passed(past)))):
        yield _Trigger(SuspicionCause.SKIPPED, skipped)
    settings = observation.risks.settings if observation.risks else {}
    if (errors := settings.get("replica_skip_errors", "off")) != "off":
        yield _Trigger(SuspicionCause.SKIPS_ERRORS, (errors,))
    if settings.get("replica_exec_mode") == "idempotent":
        yield _Trigger(SuspicionCause.IDEMPOTENT, ("idempotent",))
    error = channel.applier_error
    stopped = error if channel.applier is ThreadState.STOPPED else None
    if stopped and advise(stopped.errno, stopped.text, APPLIER_ERRORS).error_class in DIFFERS:
        tables = (channel.failed_table,) if channel.failed_table else ()
        yield _Trigger(SuspicionCause.APPLIER_ERROR, (f"{stopped.errno} {channel.failed_gtid}".strip(),), tables)


def _errors_passed(past: Past) -> str:
    """MariaDB counts the errors that slave_skip_errors lets pass."""
    old, new = (look.risks.skipped_errors if look and look.risks else None for look in (past.before, past.latest))
    return f"{new - old} errors were passed over, {new} in all" if old is not None and new is not None and new > old else ""


def named(known: Iterable[Suspicion], server: str, tables: tuple[str, ...]) -> tuple[Suspicion, ...]:
    """With the tables that the binary log of a server shows for its errant transactions."""
    return tuple(replace(s, named=tables) if (s.server, s.cause) == (server, SuspicionCause.ERRANT) else s for s in known)


def cleared(known: Iterable[Suspicion], settled: Iterable[Suspicion], at: datetime) -> tuple[Suspicion, ...]:
    """With those of `settled` cleared that nothing has been added to since they were handed to the check."""
    done = {replace(each, named=()) for each in settled}
    return tuple(replace(each, cleared=at) if replace(each, named=()) in done else each for each in known)

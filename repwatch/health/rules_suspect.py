"""Rules about data that may differ already: errant and skipped transactions, and the suspicion that they leave behind."""

from collections.abc import Iterator

from repwatch.health import commands
from repwatch.health.errant import errant_transactions
from repwatch.health.inventory import is_replica, label, same_server, wanted_source
from repwatch.health.rules_common import channels, evidence, of_channel, seen, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.gtid import GtidSet
from repwatch.model.observation import Observation
from repwatch.model.risks import Suspicion, SuspicionCause

_WHY = {
    SuspicionCause.ERRANT: "it has transactions of its own",
    SuspicionCause.SKIPPED: "transactions were skipped",
    SuspicionCause.SKIPS_ERRORS: "it passes over errors (replica_skip_errors)",
    SuspicionCause.IDEMPOTENT: "it hides missing and duplicate rows (IDEMPOTENT)",
    SuspicionCause.APPLIER_ERROR: "a row was not as the source has it",
}
_SHOWN = 5


def errant(world: World) -> Iterator[Finding]:
    """A replica has transactions that its source never had."""
    for server, observation in seen(world):
        told = is_replica(world, server) and not observation.half_loaded and not same_server(world, server)
        gtids = errant_transactions(world, server) if told else ""
        if not gtids:
            continue
        source = wanted_source(world, server, observation.channels[0].name if observation.channels else "")
        tables = {table for s in world.suspicions if s.server == server.address for table in s.named}
        many = f"{GtidSet.parse(gtids).count} transactions" if not observation.version.is_mariadb else "transactions"
        yield Finding(
            subject=subject(world, server, FindingCode.ERRANT_TRANSACTIONS),
            severity=Severity.CRITICAL,
            summary=f"{label(server)} has {many} that its source does not have",
            meaning="Somebody wrote to the replica itself, or its source has lost what it had sent. The data may differ, and "
            "after a failover to this replica the others would get these transactions, or could not follow it.",
            remedy=_mend(world, server, observation, source),
            avoid="Do not make it a source, and do not put empty transactions on the source before the data is compared.",
            evidence=evidence(
                {"transactions": gtids, "tables": ", ".join(sorted(tables)), "source": source.address if source else None}
            ),
            settled=False,
        )


def _mend(world: World, server: ServerNow, observation: Observation, source: ServerNow | None) -> str:
    fields = commands.fields(world, server, "")
    see = "See what they are in its binary log (`mysqlbinlog`), and what differs: "
    if observation.channels or source is None:
        return f"{see}{fields['drift']}. Then repair the rows, or rebuild the replica: {fields['reseed']}"
    return (
        f"{see}{commands.compare(source, server)}. Take to the source by hand what is to stay. Then rebuild it as a replica: "
        f"{fields['reseed']}"
    )


def skipped(world: World) -> Iterator[Finding]:
    """Transactions of the source were left out, or are about to be."""
    for server, channel in channels(world):
        cause = next((s for s in _of(world, server, channel.name) if s.cause is SuspicionCause.SKIPPED), None)
        if cause is None and not channel.skip_pending:
            continue
        what = (
            "transactions of its source were skipped"
            if cause
            else f"the applier will skip {channel.skip_pending} at its next start"
        )
        fields = commands.fields(world, server, channel.name)
        yield Finding(
            subject=subject(world, server, FindingCode.SKIPPED_TRANSACTIONS, channel.name),
            severity=Severity.WARNING,
            summary=f"{label(server)}{of_channel(channel)}: {what}",
            meaning="What is skipped is missing here from then on, though replication runs and shows no error.",
            remedy=f"Compare the data: {fields['drift']}, then repair it: {fields['repair']}. Ask who skipped, "
            "and why: the error that stood in the way has a cause.",
            avoid="Do not skip to get replication going: mend the row that stands in the way by hand, as applier-error says.",
            evidence=evidence({"seen": "; ".join(cause.details) if cause else None, "pending": channel.skip_pending or None}),
        )


def suspect_data(world: World) -> Iterator[Finding]:
    """Something happened that may have made the data differ, and no check has cleared it since."""
    for server in world.servers:
        of_server = [s for s in world.suspicions if s.server == server.address and s.cleared is None]
        for channel in sorted({suspicion.channel for suspicion in of_server}):
            yield _suspect(world, server, channel, [s for s in of_server if s.channel == channel])


def _suspect(world: World, server: ServerNow, channel: str, suspicions: list[Suspicion]) -> Finding:
    tables = sorted({table for suspicion in suspicions for table in suspicion.tables})
    all_known = all(suspicion.tables for suspicion in suspicions)
    shown = ", ".join(tables[:_SHOWN]) + (", …" if len(tables) > _SHOWN else "") if all_known else "all"
    named = f" (channel {channel})" if channel else ""
    narrow = tables if all_known and len(tables) <= _SHOWN else []
    source = wanted_source(world, server, channel)
    apart = source is not None and server.last_good is not None and not server.last_good.channels
    look = commands.compare(source, server) if source and apart else commands.fields(world, server, channel, *narrow)["drift"]
    return Finding(
        subject=subject(world, server, FindingCode.SUSPECT_DATA, channel),
        severity=Severity.WARNING,
        summary=f"the data of {label(server)}{named} may differ from its source: {'; '.join(_WHY[s.cause] for s in suspicions)}",
        meaning="It is not known to differ, and not known to be equal. Replication shows nothing of it.",
        remedy="The service checks the tables in question as soon as "
        f"{'it replicates again' if apart else 'the applier runs'}, and clears the suspicion if they are identical. "
        f"To look at once: {look}",
        avoid="Do not fail over to it, and do not take a backup from it, before it is checked.",
        evidence=evidence(
            {
                "causes": ", ".join(suspicion.cause.value for suspicion in suspicions),
                "tables": shown,
                "suspect_since": min(suspicion.since for suspicion in suspicions).isoformat(),
                "seen": "; ".join(detail for suspicion in suspicions for detail in suspicion.details),
            }
        ),
    )


def _of(world: World, server: ServerNow, channel: str) -> list[Suspicion]:
    return [s for s in world.suspicions if (s.server, s.channel) == (server.address, channel) and s.cleared is None]

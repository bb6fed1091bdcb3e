"""Why a server may not be written to, be it by a repair or by a reseed: it is, or may be, a source."""

from collections.abc import Iterator, Sequence

from repwatch.model.plan import Refusal
from repwatch.reseed.facts import Facts, ServerFacts, reads_from

_SHOWN = 5


def source_refusals(facts: Facts) -> Iterator[Refusal]:
    """The target has replicas, feeds the source, or is a member of a group; or the source may be none any more."""
    target = facts.target
    address = target.server.address
    if target.dump_clients:
        yield Refusal(code="has-replicas", summary=f"replicas read from {address} now: {some(target.dump_clients)}")
    if target.replicas:
        yield Refusal(code="has-replicas", summary=f"{address} is the source of {some(target.replicas)}")
    if any(reads_from(state, target.server) for state in facts.source.server.channels):
        yield Refusal(code="is-source", summary=f"{facts.source.server.address} replicates from {address}")
    if target.server.group_member:
        yield Refusal(code="group-member", summary=f"{address} is a member of a replication group or Galera cluster")
    for dispute in facts.disputes:
        yield Refusal(
            code="source-disputed",
            summary=f"{dispute}: name the right one in the configuration, or point the replicas back, and try again",
        )


def readiness_refusals(server: ServerFacts) -> Iterator[Refusal]:
    """What either end of a repair or reseed must not have or lack."""
    if not server.gtid:
        yield Refusal(code="gtid-off", summary=f"{server.address} runs without GTIDs: set gtid_mode = ON")
    if server.prepared:
        yield Refusal(
            code="prepared-xa",
            summary=f"prepared XA transactions on {server.address}: {some(server.prepared)}; commit or roll them back",
        )
    for grant in server.missing_grants:
        yield Refusal(code="privilege-missing", summary=f"{server.address}: {grant}")


def some(names: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

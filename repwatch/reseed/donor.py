"""Whether a replica may stand for its source as the server that is copied from."""

from collections.abc import Iterator

from repwatch.model.gtid import GtidSet
from repwatch.model.plan import Refusal
from repwatch.model.server import Flavour
from repwatch.reseed.facts import DonorFacts, Facts, reads_from
from repwatch.reseed.roles import readiness_refusals, some


def donor_refusals(facts: Facts, *, held: bool = True) -> Iterator[Refusal]:
    """It must be a healthy, read-only replica of the very source; that its data is right is what the proof at the end shows.

    `held`: its applier is held for a snapshot, as it is for everything but a clone.
    """
    if facts.donor is None:
        return
    donor, source, target = facts.donor.data.server, facts.source.server, facts.target.server
    if donor.key in (source.key, target.key):
        whose = "the source" if donor.key == source.key else "the replica that is to be made right"
        yield Refusal(code="same-server", summary=f"{donor.address} is {whose} itself: --from names another replica")
        return
    yield from readiness_refusals(donor)
    if donor.version.flavour is target.version.flavour and target.version.number[:2] < donor.version.number[:2]:
        yield Refusal(
            code="target-older",
            summary=f"{target.address} runs {target.version.text}, which is older than {donor.version.text} of {donor.address}",
        )
    if donor.missing_grants:
        return  # no channel could be read
    yield from _channels(facts, facts.donor, held=held)
    if not facts.donor.read_only:
        yield Refusal(code="donor-writable", summary=f"{donor.address} is not read-only: what is written to it would come along")
    if facts.donor.errant:
        yield Refusal(
            code="donor-errant", summary=f"{donor.address} has transactions that the source does not have: {facts.donor.errant}"
        )


def least_position(flavour: Flavour, executed: str, errant: str) -> str:
    """What a donor must have executed so that a replica which has executed `executed` can be brought to its position.

    `errant`: transactions that only the replica has. On MariaDB they are not part of `gtid_slave_pos`.
    """
    if flavour is Flavour.MARIADB or not errant:
        return executed
    return str(GtidSet.parse(executed).difference(GtidSet.parse(errant)))


def no_files_of_donor(facts: Facts) -> Iterator[Refusal]:
    """The physical method."""
    if facts.donor is not None:
        yield Refusal(code="donor-files", summary="the physical method copies the source's own files: leave out --from")


def _channels(facts: Facts, found: DonorFacts, *, held: bool) -> Iterator[Refusal]:
    donor, source = found.data.server, facts.source.server
    others = [state.channel for state in donor.channels if state.channel != found.channel]
    if others:
        yield Refusal(code="donor-channels", summary=f"{donor.address} replicates from other sources too: {some(others)}")
    state = found.state
    if state is None or not reads_from(state, source) or not state.uses_gtid:
        yield Refusal(code="donor-not-following", summary=f"{donor.address} does not replicate from {source.address} with GTIDs")
    elif state.held:
        yield Refusal(code="held", summary=f"a repair, a reseed or a check holds the applier of {donor.address}: let it end")
    elif not (state.connected and state.applier_running) or state.applier_errno:
        error = state.applier_error or state.receiver_error
        yield Refusal(code="donor-stopped", summary=f"replication of {donor.address} does not run{f': {error}' if error else ''}")
    elif held and state.delay:
        # It never has what a replica that runs has. And on MariaDB a change of the delay drops the relay logs, which then
        # have to be read again from binary logs that the source may not have any more.
        yield Refusal(
            code="donor-delayed",
            summary=f"{donor.address} is delayed by {state.delay} s on purpose: name another replica, or take its delay away",
        )

"""When a repair or a reseed takes the source that the configuration names for one that is none any more."""

from dataclasses import replace

import pytest

from repwatch.flows.reseed_others import Glance, disputes_of
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.observation import Observation, ThreadState
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec
from tests.unit.health.worlds import channel, observation, spec, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
# What each of db1 to db4 replicates from (0: nothing, None: it cannot be asked), and whether the source db1 is disputed for db3.
SIGHTS: tuple[tuple[tuple[int | None, ...], bool], ...] = (
    ((0, 1, 1, 1), False),
    ((0, 1, 0, 1), False),
    ((0, None, 1, None), False),
    ((None, None, None, None), False),
    ((0, 0, 0, 0), False),
    ((0, 0, 0, 2), True),  # an empty one beside an old source
    ((0, 0, 1, 2), True),  # it follows the old one, which stands alone, and is no witness for it
    ((0, 0, 2, 2), True),  # it has followed
    ((0, 0, 2, None), True),
    ((2, 0, 1, 2), True),
    ((2, 0, 1, None), True),
    ((2, None, 1, None), True),
    ((2, 1, 1, 1), True),  # a loop
    ((None, 0, 1, 2), True),  # the configured source itself is not needed to see it
    ((0, 1, 2, 1), False),  # moved to its sibling, alone
    ((0, 9, 1, 9), False),  # nobody knows that address
)


def seen(flavour: Flavour, sources: tuple[int | None, ...]) -> dict[str, Observation]:
    return {
        f"db{number}": observation(flavour, number, *((channel(flavour, source),) if source else ()), read_only=number != 1)
        for number, source in enumerate(sources, start=1)
        if source is not None
    }


def told(looks: dict[str, Observation], cluster: ClusterSpec, target: int = 3) -> tuple[str, ...]:
    glances = {label: Glance(observation=look, channels=()) for label, look in looks.items()}
    return disputes_of(cluster, spec(target), glances)


def fixed(*changed: tuple[int, str]) -> ClusterSpec:
    upstream = dict(changed)
    specs = tuple(spec(number, **({"replicates_from": upstream[number]} if number in upstream else {})) for number in range(1, 5))
    return ClusterSpec(name="shop", source="db1", servers=specs)


@FLAVOURS
@pytest.mark.parametrize(("sources", "disputed"), SIGHTS)
def test_it_is_disputed_by_what_the_others_replicate_from(
    flavour: Flavour, sources: tuple[int | None, ...], disputed: bool
) -> None:
    assert bool(told(seen(flavour, sources), fixed())) is disputed


@FLAVOURS
def test_what_refuses_is_what_is_found(flavour: Flavour) -> None:
    looks = seen(flavour, (2, 0, 2, 2))
    made = world(looks.values(), *(spec(number) for number in range(1, 5)))
    found = {finding.summary for finding in diagnose(made) if finding.subject.code is FindingCode.WRONG_SOURCE}
    assert set(told(looks, fixed())) <= found


@FLAVOURS
def test_what_is_meant_is_no_dispute(flavour: Flavour) -> None:
    """The last of a chain whose middle has lost its channel; and two sources that replicate from each other."""
    assert not told(seen(flavour, (0, 0, 0, 2)), fixed((4, "db2")))
    assert not told(seen(flavour, (2, 1, 1, 1)), fixed((1, "db2")))


@FLAVOURS
def test_a_source_with_a_channel_at_rest_is_one(flavour: Flavour) -> None:
    looks = seen(flavour, (0, 1, 1, 1))
    looks["db1"] = replace(looks["db1"], channels=(channel(flavour, 2, receiver=ThreadState.STOPPED),))
    assert not told(looks, fixed())

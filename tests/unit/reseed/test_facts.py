"""Does the replica follow the named source? Only what is proved counts, because all that it holds is about to be replaced."""

from dataclasses import replace

import pytest

from repwatch.drift.repair_preconditions import server_refusals
from repwatch.model.server import Address
from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method
from repwatch.reseed.stages import Marker, Stage
from tests.unit.reseed.facts import FACTS, SOURCE, SOURCE_UUID, TARGET, TARGET_UUID, channel, server

ELSEWHERE = Address("db9", 3306)
MARKER = Marker(
    run="r", stage=Stage.LOADING, source="db1:3306", source_key="1", channel="", before="", position="", delay=0,
    receiver=True, applier=True, read_only=True, super_read_only=False, trust_creators=False, local_infile=False,
    method=Method.LOGICAL, tables=(),
)  # fmt: skip


def mariadb(source_id: int = 1, at: Address = ELSEWHERE, places: tuple[Address, ...] = ()) -> Facts:
    """Servers 1 and 2; the channel of 2 shows that number and address."""
    state = replace(channel("", source_id), source=at)
    return replace(
        FACTS,
        source=replace(SOURCE, server=replace(server(1, "", "10.11.6-MariaDB"), places=places)),
        target=replace(TARGET, server=server(2, "", "10.11.6-MariaDB", (state,))),
    )


@pytest.mark.parametrize(
    ("facts", "follows"),
    [
        (mariadb(), False),  # anybody's number 1
        (mariadb(at=Address("DB1", 3306)), True),
        (mariadb(at=Address("db1", 3307)), False),
        (mariadb(at=Address("inner", 3310), places=(Address("Inner", 3310),)), True),  # by the name that it gives itself
        (mariadb(source_id=7, at=Address("db1", 3306)), False),  # the address leads to another server by now
        (mariadb(source_id=0, at=Address("db1", 3306)), True),  # it never connected
        (mariadb(source_id=0), False),
        (replace(mariadb(), fetching=True), True),
        (replace(mariadb(source_id=7), fetching=True), False),
        (replace(mariadb(), target=replace(mariadb().target, marker=MARKER)), True),  # proved before it was interrupted
        (replace(mariadb(), target=replace(mariadb().target, marker=MARKER), login=True), False),  # then it is made anew
        (replace(mariadb(), target=replace(mariadb().target, marker=replace(MARKER, source_key="9"))), False),
        (FACTS, True),
    ],
)
def test_a_server_id_alone_proves_nothing(facts: Facts, follows: bool) -> None:
    assert facts.follows_source is follows


def test_an_identity_needs_no_address() -> None:
    state = replace(channel(SOURCE_UUID), source=ELSEWHERE)
    assert replace(FACTS, target=replace(TARGET, server=server(2, TARGET_UUID, channels=(state,)))).follows_source


def test_a_repair_needs_the_same_proof_unless_it_is_being_finished() -> None:
    state = mariadb().target.server.channels[0]
    stopped = replace(state, receiver_running=False)
    facts = replace(mariadb(), target=replace(TARGET, server=server(2, "", "10.11.6-MariaDB", (stopped,))))
    assert "not-following" in {refusal.code for refusal in server_refusals(facts, own_hold=False)}
    assert "not-following" not in {refusal.code for refusal in server_refusals(facts, own_hold=True)}

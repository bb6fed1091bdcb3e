"""Whether a server that a failed clone has emptied has its data again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.server import Flavour
from repwatch.sql.emptied import is_filled, read_clone
from repwatch.sql.status_rows import Identity, read_identity
from tests.unit.health.worlds import channel

OWN, SOURCE, FORMER = ("00000000-0000-0000-0000-00000000000" + digit for digit in "123")
BY_GTID = channel(Flavour.MYSQL, 1)
BY_FILE = replace(BY_GTID, uses_gtid=False)


def identity(executed: str, purged: str = "") -> Identity:
    return replace(read_identity({}), server_uuid=OWN, gtid_executed=executed, gtid_purged=purged)


@pytest.mark.parametrize("tables", [False, True])
@pytest.mark.parametrize(
    "executed",
    [
        "",  # as the clone leaves it
        f"{OWN}:1",  # an account that somebody made there
        f"{SOURCE}:4-5",  # what the channel brought next
        f"{SOURCE}:4-5,{OWN}:1-7",
        f"{FORMER}:1-9,{SOURCE}:4-5",
        f"{SOURCE}:1-9:tag:4",
    ],
)
def test_it_lacks_what_the_clone_removed(executed: str, tables: bool) -> None:
    assert not is_filled(identity(executed), [BY_GTID], tables)


@pytest.mark.parametrize(
    ("executed", "purged"),
    [
        (f"{SOURCE}:1-3", f"{SOURCE}:1-3"),  # a dump
        (f"{SOURCE}:1-9", f"{SOURCE}:1-3"),
        (f"{SOURCE}:1-9:11", f"{SOURCE}:1-3"),  # an applier with several workers
        (f"{OWN}:1-50", f"{OWN}:1-50"),  # it was the source
        (f"{FORMER}:1-50,{SOURCE}:1-3", f"{FORMER}:1-50"),
        (f"{SOURCE}:1-3", ""),  # replayed from the first transaction on
    ],
)
def test_it_has_its_data_again(executed: str, purged: str) -> None:
    assert is_filled(identity(executed, purged), [BY_GTID], True)
    assert not is_filled(identity(executed, purged), [BY_GTID], False)


@pytest.mark.parametrize("channels", [(), (BY_FILE,)])
def test_its_tables_tell_where_no_channel_follows_gtids(channels: tuple[()]) -> None:
    assert is_filled(identity(""), channels, True)
    assert is_filled(identity(f"{OWN}:1-3"), channels, True)
    assert not is_filled(identity(""), channels, False)
    assert not is_filled(identity(f"{SOURCE}:4-5"), channels, True)


@given(lost=st.integers(1, 50), more=st.integers(1, 50), own=st.integers(0, 5))
def test_nothing_that_replicates_over_the_empty_server_ends_it_and_a_dump_does(lost: int, more: int, own: int) -> None:
    last = lost + more
    mine = f",{OWN}:1-{own}" if own else ""
    assert not is_filled(identity(f"{SOURCE}:{lost + 1}-{last}{mine}"), [BY_GTID], True)
    assert is_filled(identity(f"{SOURCE}:1-{last}{mine}", f"{SOURCE}:1-{lost}"), [BY_GTID], True)


def test_the_clone_that_has_not_ended_well() -> None:
    row = {"donor": "h:1", "begun": "2026-01-01", "runs": "0", "errno": "1158", "error": "Got an error"}
    seen = read_clone([row])
    assert seen is not None
    assert (seen.donor, seen.running, seen.errno) == ("h:1", False, 1158)
    running = read_clone([{**row, "runs": "1"}])
    assert running is not None
    assert running.running
    assert read_clone([]) is None

"""GTID algebra: the laws of plain sets hold, text round-trips, and both flavours' spellings are understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.gtid import GtidSet, MariadbPosition, missing_count, of_origins, reached
from repwatch.model.server import Flavour

A = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
B = "4f22ab58-82db-22f2-af44-d91bb0530673"
Plain = frozenset[tuple[str, str, int]]

PLAIN = st.frozensets(st.tuples(st.sampled_from([A, B]), st.sampled_from(["", "blue", "_x9"]), st.integers(1, 12)))


def gtids(plain: Plain) -> GtidSet:
    return GtidSet.parse(",".join(f"{uuid}:{tag}:{number}" if tag else f"{uuid}:{number}" for uuid, tag, number in plain))


def plain_of(gtid_set: GtidSet) -> Plain:
    return frozenset(
        (uuid, tag, number)
        for (uuid, tag), intervals in gtid_set.ranges
        for first, last in intervals
        for number in range(first, last + 1)
    )


@given(PLAIN)
def test_a_set_holds_what_was_put_in(plain: Plain) -> None:
    assert plain_of(gtids(plain)) == plain
    assert gtids(plain).count == len(plain)


@given(PLAIN, PLAIN)
def test_the_algebra_is_that_of_plain_sets(one: Plain, two: Plain) -> None:
    assert plain_of(gtids(one).union(gtids(two))) == one | two
    assert plain_of(gtids(one).difference(gtids(two))) == one - two
    assert gtids(one).contains(gtids(two)) == (one >= two)


@given(PLAIN)
def test_equal_sets_are_equal_values_and_text_round_trips(plain: Plain) -> None:
    assert GtidSet.parse(str(gtids(plain))) == gtids(plain)
    assert gtids(plain).union(gtids(plain)) == gtids(plain)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        (" \n ", ""),
        (f"{A}:1", f"{A}:1"),
        (f"{A}:1-5:7", f"{A}:1-5:7"),
        (f"{A}:7:1-5", f"{A}:1-5:7"),
        (f"{A}:1-3:4-6", f"{A}:1-6"),
        (f"{A}:1-3:2-6", f"{A}:1-6"),
        (f"{A}:5-3", ""),
        (f"{A.upper()}:1-3", f"{A}:1-3"),
        (f"{B}:1-2,\n{A} : 1 - 3", f"{A}:1-3,{B}:1-2"),
        (f"{A}:1-3,{A}:4", f"{A}:1-4"),
        (f"{A}:1-3:Blue:1-2:5:red:9", f"{A}:1-3:blue:1-2:5:red:9"),
        (f"{A}:blue:1,{A}:1,", f"{A}:1:blue:1"),
        (f"{A}:1\t-\v2:{2**63 - 2}\r\n", f"{A}:1-2:{2**63 - 2}"),
    ],
)
def test_spellings_of_the_server(text: str, canonical: str) -> None:
    assert str(GtidSet.parse(text)) == canonical


UNREAD = (
    *("0-1-2", A, f"{A}:", f"{A}:0", f"{A}:1-", f"{A}:9tag:1", f"{A}:-1", "purged", f"{A}:1;{B}:1"),
    *(f"{A}:1 2", f"{A}:bl ue:1", f"{A[:8]} {A[8:]}:1", f"{A}:\u0661", f"\u00a0{A}:1", f"{A}:1-{2**63 - 1}", f"{A}:{2**64}"),
)


@pytest.mark.parametrize("text", UNREAD)
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GTID set"):
        GtidSet.parse(text)


POSITIONS = st.dictionaries(st.integers(0, 3), st.tuples(st.integers(1, 4), st.integers(1, 20)))


def position(last: dict[int, tuple[int, int]]) -> MariadbPosition:
    return MariadbPosition.parse(",".join(f"{domain}-{server}-{number}" for domain, (server, number) in last.items()))


def history(last: dict[int, tuple[int, int]]) -> set[tuple[int, int]]:
    return {(domain, number) for domain, (_, top) in last.items() for number in range(1, top + 1)}


def history_of(value: MariadbPosition) -> set[tuple[int, int]]:
    return history(dict(value.last))


@given(POSITIONS, POSITIONS)
def test_a_position_is_the_set_of_all_before_it(one: dict[int, tuple[int, int]], two: dict[int, tuple[int, int]]) -> None:
    assert history_of(position(one).union(position(two))) == history(one) | history(two)
    assert position(one).contains(position(two)) == (history(one) >= history(two))
    assert position(one).behind(position(two)) == len(history(two) - history(one))
    assert {domain for domain, _ in position(one).difference(position(two)).last} == {
        domain for domain, _ in history(one) - history(two)
    }


@given(POSITIONS)
def test_position_text_round_trips(last: dict[int, tuple[int, int]]) -> None:
    assert MariadbPosition.parse(str(position(last))) == position(last)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("", ""), ("1-2-7, 0-1-42", "0-1-42,1-2-7"), ("0-1-42,0-2-43", "0-2-43"), ("0-2-43,0-1-42", "0-2-43")],
)
def test_spellings_of_mariadb(text: str, canonical: str) -> None:
    assert str(MariadbPosition.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [f"{A}:1", "0-1", "0-1-x", "0-1-2-3", "0-1-2 3", "0-1-\u0662", f"{2**32}-1-1", f"0-{2**32}-1", f"0-1-{2**64}"],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GTID position"):
        MariadbPosition.parse(text)


@pytest.mark.parametrize(
    ("flavour", "here", "target", "is_reached", "missing"),
    [
        (Flavour.MYSQL, f"{A}:1-9", f"{A}:1-5", True, 0),
        (Flavour.MYSQL, f"{A}:1-5", f"{A}:1-9:blue:1", False, 5),
        (Flavour.MARIADB, "0-1-9", "0-1-5", True, 0),
        (Flavour.MARIADB, "0-1-5", "0-1-9,1-1-1", False, 5),
    ],
)
def test_reached_and_missing_go_by_flavour(flavour: Flavour, here: str, target: str, is_reached: bool, missing: int) -> None:
    assert reached(flavour, here, target) is is_reached
    assert missing_count(flavour, here, target) == missing


@pytest.mark.parametrize(
    ("flavour", "position", "named", "part"),
    [
        (Flavour.MARIADB, "0-1-9,1-2-5", "0-7-3", "0-1-9"),
        (Flavour.MARIADB, "0-1-9", "", ""),
        (Flavour.MYSQL, f"{A}:1-9:blue:1,{B}:1-5", f"{A}:3", f"{A}:1-9:blue:1"),
        (Flavour.MYSQL, f"{B}:1-5", f"{A}:3", ""),
    ],
)
def test_a_part_by_its_origins(flavour: Flavour, position: str, named: str, part: str) -> None:
    assert of_origins(flavour, position, named) == part

"""Our arithmetic of GTIDs against the servers' own: what a server makes of a text is what we make of it."""

import random
from collections.abc import Callable, Iterator

import pytest

from repwatch.errors import StatementRefused
from repwatch.model.gtid import GtidSet, MariadbPosition
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sql.quoting import quote_text

ON_MYSQL = pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True)
ON_MARIADB = pytest.mark.parametrize("flavour", [Flavour.MARIADB], indirect=True)

UUIDS = tuple(f"{digit * 8}-71ca-11e1-9e33-c80aa9429{digit * 3}" for digit in "3af")
TAGS = ("", "", "blue", "_x9", "a" * 32)
LAST = 2**63 - 2  # the largest number of a transaction (MySQL manual 19.1.3.1, "GTID Format and Storage")
PAIRS = 300


def intervals(choose: random.Random) -> Iterator[str]:
    """Single numbers, ranges, some that touch or overlap, some that run backwards."""
    for _ in range(choose.randint(1, 5)):
        first = choose.choice((choose.randint(1, 15), choose.randint(1, 15), LAST - choose.randint(0, 4)))
        last = min(LAST, first + choose.choice((-2, 0, 1, 3)))
        yield str(first) if last == first or choose.random() < 0.2 else f"{first}-{max(1, last)}"


def part(choose: random.Random) -> str:
    """One uuid with intervals of several tags, in upper case here and there."""
    items = [choose.choice(UUIDS)]
    for tag in choose.sample(TAGS, choose.randint(1, 3)):
        items += [tag] if tag else []
        items += intervals(choose)
    written = (item.upper() if choose.random() < 0.3 else item for item in items)
    return choose.choice((":", ":", " : ")).join(written)


def any_set(choose: random.Random) -> str:
    """As servers print it, and as people write it."""
    return choose.choice((",", ",\n", " ,\t")).join(part(choose) for _ in range(choose.choice((0, 1, 1, 2, 2, 4))))


def server_s(text: str) -> GtidSet:
    """Of a server's answer, which must read the same as it was written."""
    found = GtidSet.parse(text)
    assert str(found) == text.replace("\n", ""), text
    return found


@ON_MYSQL
def test_sets_are_what_the_server_makes_of_them(star: Sandbox) -> None:
    choose = random.Random(20261127)
    pairs = [(any_set(choose), any_set(choose)) for _ in range(PAIRS)]
    pairs += [(one, f"{one},{two}" if one and two else one) for one, two in pairs[:50]]
    asked = (
        f"SELECT {number}, GTID_SUBTRACT({a}, {b}), GTID_SUBSET({a}, {b}), GTID_SUBTRACT(CONCAT({a}, ',', {b}), '')"
        for number, (one, two) in enumerate(pairs)
        for a, b in [(quote_text(one), quote_text(two))]
    )
    answers = star.source.sql(" UNION ALL ".join(asked))
    assert len(answers) == len(pairs)
    for number, less, within, both in answers:
        pair = pairs[int(str(number))]
        one, two = (GtidSet.parse(text) for text in pair)
        assert one.difference(two) == server_s(str(less)), pair
        assert two.contains(one) == (str(within) == "1"), pair
        assert one.union(two) == server_s(str(both)), pair
    assert {str(within) for _, _, within, _ in answers} == {"0", "1"}


A = UUIDS[0]
ODD = (
    *("", ",", f"{A}", f"{A}:", f"{A}:1:", f"{A}:1,,{A}:2", f"{A}:0", f"{A}:0-3", f"{A}:1-", f"{A}:-1", f"{A}:5-3", f"{A}:01-03"),
    *(
        f"{A}:1-2-3",
        f"{A}:1::2",
        f"{A}:1 2",
        f"{A}:1 - 2",
        f"{A} : 1",
        f"{A[:8]} {A[8:]}:1",
        f"{A}:1;{A}:2",
        f"{A}:1\v",
        f"\u00a0{A}:1",
    ),
    *(f"{A}:\u0661", f"{A}:blue", f"{A}:blue:", f"{A}:bl ue:1", f"{A}:9tag:1", f"{A}:b-c:1", f"{A}:{'a' * 33}:1", f"{A}:blue:0"),
    *(f"{A}:{LAST}", f"{A}:{LAST + 1}", f"{A}:1-{LAST + 1}", f"{A}:{2**64}", f"{A.replace('-', '')}:1", "0-1-2", f"{A[1:]}:1"),
)
"""What people may write."""


SPELT_OTHERWISE = (A, f"{A.replace('-', '')}:1")
"""What no server prints, though it reads it."""


def refused_or(read: Callable[[str], str | None], text: str) -> str | None:
    try:
        return read(text)
    except (StatementRefused, ValueError):
        return None


@ON_MYSQL
def test_what_the_server_refuses_is_refused(star: Sandbox) -> None:
    with star.source.connect() as db:
        for text in ODD:
            theirs = refused_or(db.scalar, f"SELECT GTID_SUBTRACT({quote_text(text)}, '')")
            ours = refused_or(lambda text: str(GtidSet.parse(text)), text)
            assert ours == theirs or (ours is None and text in SPELT_OTHERWISE), text


MOST = f"{2**32 - 1}-{2**32 - 1}-{2**64 - 1}"
ODD_POSITIONS = (
    *(
        "",
        "0-1-2",
        " 0-1-2",
        "0-1-2, 1-1-1",
        "0-1-2,\n1-1-1",
        "1-2-7,0-1-4",
        "00-01-02",
        "0-1-0",
        MOST,
        "0-1-2 3",
        "0-1",
        "0-1-2-3",
    ),
    *("0-1-x", f"{2**32}-1-1", f"0-{2**32}-1", f"0-1-{2**64}", "0-1-\u0662", "-1-1-1", "0-1-2;1-1-1", "0--1-2"),
)


def any_position(choose: random.Random) -> str:
    """Of a few domains."""
    domains = choose.sample(range(5), choose.randint(0, 4))
    return ",".join(f"{domain}-{choose.randint(1, 3)}-{choose.choice((0, 1, 2, 3, 2**64 - 2))}" for domain in domains)


@ON_MARIADB
def test_positions_are_what_the_server_makes_of_them(flavour: Flavour) -> None:
    """MASTER_GTID_WAIT without any time answers at once whether gtid_slave_pos has come to a position."""
    choose = random.Random(20261127)
    with Sandbox.start(flavour, replicas=0) as box, box.source.connect() as db:

        def taken(text: str) -> str | None:
            db.execute(f"SET GLOBAL gtid_slave_pos = {quote_text(text)}")
            return db.scalar("SELECT @@GLOBAL.gtid_slave_pos")

        for text in ODD_POSITIONS:
            assert refused_or(lambda text: str(MariadbPosition.parse(text)), text) == refused_or(taken, text), text
        for here in (any_position(choose) for _ in range(20)):
            assert str(MariadbPosition.parse(here)) == taken(here)
            wanted = [any_position(choose) for _ in range(30)]
            asked = (f"SELECT {n} AS n, MASTER_GTID_WAIT({quote_text(text)}, 0) AS late" for n, text in enumerate(wanted))
            for row in db.texts(" UNION ALL ".join(asked)):
                there = wanted[int(str(row["n"]))]
                assert MariadbPosition.parse(here).contains(MariadbPosition.parse(there)) == (row["late"] == "0"), (here, there)

"""Guesses of causes: each one that was applied to rows is found, and rows that differ at random give none."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.cause_values import charset_damage, is_rounded, same_but_blanks, same_but_case, shift_of
from repwatch.drift.causes import guess_causes, tail_start
from repwatch.drift.report import Cause, Cell, ChangedRow, Difference, ExtraRow, Guess, MissingRow, Pair, Side
from repwatch.model.schema import Column


def column(name: str, data_type: str, default: str | None = None) -> Column:
    return Column(name=name, data_type=data_type, column_type=data_type, nullable=True, charset="utf8mb4", default=default)


TYPES = ("id int", "n bigint", "m bigint", "price decimal", "ratio double", "name varchar", "city varchar", "at datetime")
COLUMNS = {column.name: column for column in (column(*text.split()) for text in TYPES)} | {
    "status": column("status", "char", default="'new'")
}
Row = dict[str, Cell]


def random_row(number: int, draw: random.Random) -> Row:
    moment = datetime.fromisoformat("2020-01-01") + timedelta(seconds=draw.randrange(10**8))
    return {
        "id": str(number),
        "n": str(draw.randrange(10**9)),
        "m": str(draw.randrange(10**9)),
        "price": f"{draw.randrange(10**9)}.{draw.randrange(1, 10) + 10 * draw.randrange(10**3):04}",
        "ratio": str(draw.random()),
        "name": "".join(draw.choices("abcdefgh", k=3)) + "ü" + "".join(draw.choices("xyz éß", k=9)) + "q",
        "city": "".join(draw.choices("abcdefgh", k=12)),
        "at": str(moment),
        "status": "".join(draw.choices("abcdefgh", k=6)),
    }


def changed(source: Row, replica: Row) -> ChangedRow:
    columns = {name: Pair(source[name], replica[name]) for name in source if source[name] != replica[name]}
    return ChangedRow({"id": source["id"]}, columns)


def guesses(*differences: Difference, rows: int = 10**6, ends_there: bool = False) -> tuple[Guess, ...]:
    return guess_causes(differences, COLUMNS, rows=rows, difference_count=len(differences), ends_there=ends_there)


def shifted(hours: float) -> Callable[[Row], Row]:
    return lambda row: {"at": str(datetime.fromisoformat(str(row["at"])) + timedelta(hours=hours))}


def rounded(digits: str) -> Callable[[Row], Row]:
    return lambda row: {"price": f"{Decimal(str(row['price'])).quantize(Decimal(digits)):.4f}"}


APPLIED: tuple[tuple[Cause, Callable[[Row], Row], Side | None, Cell], ...] = (
    (Cause.TIME_ZONE, shifted(2), None, "+02:00"),
    (Cause.TIME_ZONE, shifted(-5.5), None, "-05:30"),
    (Cause.LETTER_CASE, lambda row: {"name": str(row["name"]).upper().replace("SS", "ß")}, None, None),
    (Cause.TRAILING_BLANKS, lambda row: {"city": f"{row['city']}  "}, None, None),
    (Cause.CHARSET, lambda row: {"name": str(row["name"]).encode("ascii", "replace").decode()}, None, None),
    (Cause.CHARSET, lambda row: {"name": str(row["name"]).encode().decode("latin1").replace("\x9f", "Ÿ")}, None, None),
    (Cause.NULL_OR_DEFAULT, lambda _: {"status": None}, Side.REPLICA, None),
    (Cause.ONE_VALUE, lambda _: {"status": "X"}, Side.REPLICA, "X"),
    (Cause.ONE_VALUE, lambda _: {"at": None}, Side.REPLICA, None),
    (Cause.ROUNDING, rounded("0.1"), None, None),
    (Cause.ROUNDING, lambda row: {"ratio": f"{float(str(row['ratio'])):.6}"}, None, None),
    (Cause.CONSTANT_OFFSET, lambda row: {"n": str(int(str(row["n"])) - 1)}, None, "-1"),
    (Cause.SWAPPED_COLUMNS, lambda row: {"n": row["m"], "m": row["n"]}, None, None),
)


@pytest.mark.parametrize(
    ("cause", "apply", "side", "value"), APPLIED, ids=[f"{cause}-{i}" for i, (cause, *_) in enumerate(APPLIED)]
)
@given(seed=st.integers(), count=st.integers(3, 120), strangers=st.sampled_from((0, 0.03)))
def test_a_cause_that_was_applied_is_found(  # noqa: PLR0917 - the table's columns, and what is drawn
    cause: Cause, apply: Callable[[Row], Row], side: Side | None, value: Cell, seed: int, count: int, strangers: float
) -> None:
    """Also beside a few rows that differ in another way."""
    draw = random.Random(seed)
    other = int(count * strangers)
    rows = [random_row(number, draw) for number in range(count + other)]
    if cause is Cause.NULL_OR_DEFAULT:
        rows = [row | {"status": "new"} for row in rows]
    wrong = [row | apply(row) for row in rows[:count]] + [row | {"city": random_row(0, draw)["city"]} for row in rows[count:]]
    (found,) = guesses(*map(changed, rows, wrong))
    assert (found.cause, found.rows, found.listed) == (cause, count, count + other)
    assert set(found.columns) == set(apply(rows[0]))
    assert found.side is side
    assert found.value == value


@given(seed=st.integers(), count=st.integers(1, 60), names=st.sets(st.sampled_from(sorted(set(COLUMNS) - {"id"})), min_size=1))
def test_of_unrelated_differences_nothing_is_guessed(seed: int, count: int, names: set[str]) -> None:
    draw = random.Random(seed)
    rows = [random_row(number, draw) for number in range(count)]
    wrong = [row | {name: random_row(0, draw)[name] for name in names} for row in rows]
    extra = [ExtraRow({"id": row["id"]}, row) for row in wrong]
    assert guesses(*map(changed, rows, wrong), *extra, ends_there=True) == ()


@pytest.mark.parametrize(
    ("cause", "apply", "side", "value"), APPLIED, ids=[f"{cause}-{i}" for i, (cause, *_) in enumerate(APPLIED)]
)
def test_two_rows_are_no_rule_and_neither_is_half_of_them(
    cause: Cause, apply: Callable[[Row], Row], side: Side | None, value: Cell
) -> None:
    draw = random.Random(1)
    rows = [random_row(number, draw) | ({"status": "new"} if cause is Cause.NULL_OR_DEFAULT else {}) for number in range(20)]
    assert guesses(*(changed(row, row | apply(row)) for row in rows[:2])) == ()
    strange = [changed(row, row | {"city": f"{row['id']}!"}) for row in rows[10:]]
    assert guesses(*(changed(row, row | apply(row)) for row in rows[:10]), *strange) == ()
    assert (side, value) is not None


def missing(*numbers: int, times: Mapping[int, str] | None = None) -> list[MissingRow]:
    return [
        MissingRow({"id": str(number)}, {"id": str(number), "at": times[number] if times else "2026-01-01 00:00:00"})
        for number in numbers
    ]


def test_a_tail_begins_at_its_least_key_or_time() -> None:
    rows = missing(1000, 9, 10)
    assert tail_start(rows, COLUMNS) == {"id": "9"}
    (found,) = guesses(*rows, ends_there=True)
    assert (found.cause, found.columns, found.value, found.rows) == (Cause.MISSING_TAIL, ("id",), "9", 3)
    timed = missing(9, 1000, 10, times={9: "2026-01-01 10:00:00", 10: "2026-01-01 10:00:05", 1000: "2026-01-02 00:00:00"})
    (found,) = guesses(*timed, ends_there=True)
    assert (found.columns, found.value) == (("at",), "2026-01-01 10:00:00")


@pytest.mark.parametrize(
    ("rows", "ends_there", "of"),
    [
        (missing(1, 2, 3), False, 100),  # the replica goes on behind them
        (missing(1, 2), True, 100),
        (missing(1, 2, 3), True, 3),  # nothing is there at all
        ([MissingRow({"name": name}, {"name": name}) for name in "abc"], True, 100),  # the order of text is the server's affair
    ],
)
def test_what_is_no_tail(rows: list[MissingRow], ends_there: bool, of: int) -> None:
    assert guesses(*rows, ends_there=ends_there, rows=of) == ()


def test_rows_that_changed_places() -> None:
    draw = random.Random(5)
    rows = [random_row(number, draw) for number in range(6)]
    wrong = [rows[number ^ 1] | {"id": str(number)} for number in range(6)]
    (found,) = guesses(*map(changed, rows, wrong))
    assert (found.cause, found.rows) == (Cause.SWAPPED_ROWS, 6)
    flags = [ChangedRow({"id": str(number)}, {"city": Pair("NX"[number % 2], "XN"[number % 2])}) for number in range(6)]
    assert guesses(*flags) == ()


def test_a_column_that_differs_in_each_row() -> None:
    draw = random.Random(6)
    rows = [random_row(number, draw) for number in range(5)]
    differ = [changed(row, row | {"city": f"{row['id']}!"}) for row in rows]
    (found,) = guesses(*differ, rows=5)
    assert (found.cause, found.columns) == (Cause.EVERY_ROW, ("city",))
    assert guesses(*differ, rows=6) == ()
    assert guesses(*differ, *missing(9), rows=6) == ()


def test_two_columns_by_one_cause_are_named_together() -> None:
    columns = COLUMNS | {"updated": column("updated", "timestamp")}
    pair = {number: Pair(f"2026-01-0{number} 10:00:00", f"2026-01-0{number} 12:00:00.000000") for number in range(1, 9)}
    differ = [ChangedRow({"id": str(n)}, {"at": pair[n]} if n < 4 else {"updated": pair[n], "at": pair[n]}) for n in range(1, 9)]
    (found,) = guess_causes(differ, columns, rows=99, difference_count=8, ends_there=False)
    assert (found.cause, set(found.columns), found.rows) == (Cause.TIME_ZONE, {"at", "updated"}, 8)


def test_summer_time_is_one_zone() -> None:
    rows: list[Row] = [{"id": str(n), "at": f"2026-{1 + n % 12:02}-05 10:11:12"} for n in range(24)]
    wrong = [row | shifted(2 if 3 < 1 + n % 12 < 10 else 1)(row) for n, row in enumerate(rows)]
    (found,) = guesses(*map(changed, rows, wrong))
    assert (found.cause, found.value, found.rows) == (Cause.TIME_ZONE, "+01:00 or +02:00", 24)


@pytest.mark.parametrize(
    ("source", "replica", "looks"),
    [
        ("Müller", "M?ller", True),
        ("Müller", "M??ller", True),
        ("Müller", "MÃ¼ller", True),
        ("MÃ¼ller", "Müller", True),
        ("漢字 é", "?? é", True),
        ("漢字", "\ufffd\ufffd", True),
        ("Muller", "M?ller", False),  # ASCII is never lost
        ("Müller?", "Möller?", False),
        ("why?", "why!", False),
        ("Müller", "Muller", False),
        ("", "?", False),
    ],
)
def test_charset_damage(source: str, replica: str, looks: bool) -> None:
    assert charset_damage(source, replica) is looks
    assert charset_damage(replica, source) is looks


def test_charset_damage_of_long_values_takes_no_time() -> None:
    assert not charset_damage("é?" * 8000 + "x", "?" * 16000 + "y")


@pytest.mark.parametrize(
    ("kind", "source", "replica", "looks"),
    [
        ("decimal", "10.127", "10.130", True),
        ("decimal", "10.127", "10.120", True),  # cut
        ("decimal", "10.127", "10.000", True),
        ("decimal", "10.127", "10.140", False),
        ("decimal", "10.12", "10.13", False),
        ("decimal", "0." + "1" * 38, "0.1" + "0" * 37, True),
        ("bigint", "127", "130", False),
        ("double", "0.1", "0.10000000149011612", True),
        ("double", "1e308", "1.1e308", False),
        ("double", "1e-60", "2e-70", False),
        ("varchar", "1.25", "1.3", False),
    ],
)
def test_rounding(kind: str, source: str, replica: str, looks: bool) -> None:
    assert is_rounded(column("v", kind), Pair(source, replica)) is looks
    assert is_rounded(column("v", kind), Pair(replica, source)) is looks


@pytest.mark.parametrize(
    ("source", "replica", "seconds"),
    [
        ("2026-01-01 10:00:00", "2026-01-01 11:00:00", 3600),
        ("2026-01-01 10:00:00.5", "2026-01-01 11:00:00.6", None),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:01", None),
        ("2026-01-01 10:00:00", "2026-01-02 10:00:00", None),  # no zones are a day apart
        ("0000-00-00 00:00:00", "2026-01-02 10:00:00", None),
        ("2026-01-01 10:00:00", None, None),
    ],
)
def test_shifts(source: Cell, replica: Cell, seconds: int | None) -> None:
    assert shift_of(column("at", "datetime"), Pair(source, replica)) == seconds
    assert shift_of(column("at", "varchar"), Pair(source, replica)) is None


def test_text_signs() -> None:
    assert same_but_case("abc", "ABC")
    assert not same_but_case("abc", "abc")
    assert same_but_blanks("a", "a ")
    assert not same_but_blanks("a", "a\t")

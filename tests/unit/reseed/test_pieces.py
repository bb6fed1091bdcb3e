"""Pieces of a table: every key lies in exactly one, whatever the server's estimates say."""

from hypothesis import given
from hypothesis import strategies as st

from repwatch.reseed.pieces import PIECE_ROWS, pieces, worth_cutting
from repwatch.sql.rowcopy import WHOLE

KEYS = st.integers(-(2**63), 2**64 - 1)


@given(st.lists(KEYS, min_size=1, max_size=30), st.integers(0, 10**10), st.integers(1, 8), st.lists(KEYS, max_size=5))
def test_each_key_is_in_one_piece(keys: list[int], rows: int, sessions: int, later: list[int]) -> None:
    """Also those beyond the ends: a snapshot has none, but nothing is to depend on that."""
    found = pieces(min(keys), max(keys), rows, sessions)
    for key in (*keys, *later):
        inside = [
            piece for piece in found if (piece.lower is None or key > piece.lower) and (piece.upper is None or key <= piece.upper)
        ]
        assert len(inside) == 1


def test_small_tables_and_single_keys_are_not_cut() -> None:
    assert pieces(1, 10**6, PIECE_ROWS, 4) == pieces(5, 5, 10**9, 4) == (WHOLE,)
    assert not worth_cutting(2 * PIECE_ROWS - 1)


def test_a_large_table_makes_several_for_each_session() -> None:
    found = pieces(1, 10**8, 10**8, 4)
    assert len(found) == 16
    sizes = [upper - lower for lower, upper in ((p.lower, p.upper) for p in found) if lower is not None and upper is not None]
    assert max(sizes) - min(sizes) <= 1

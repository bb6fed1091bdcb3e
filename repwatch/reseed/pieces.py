"""Cuts a large table into pieces that several sessions copy at the same time."""

from itertools import pairwise
from typing import Final

from repwatch.sql.rowcopy import WHOLE, Piece

PIECE_ROWS: Final = 100_000  # below, another session costs more than it brings
_EACH: Final = 4  # pieces for a session: keys lie closer in some places than in others, and who is done takes another one


def worth_cutting(rows: int) -> bool:
    """True if a table of about so many rows makes more than one piece."""
    return rows >= 2 * PIECE_ROWS


def pieces(low: int, high: int, rows: int, sessions: int) -> tuple[Piece, ...]:
    """Pieces of a table of about `rows` rows with keys from `low` to `high`: each key there can be is in exactly one."""
    count = min(rows // PIECE_ROWS, sessions * _EACH, high - low)
    if count < 2:
        return (WHOLE,)
    bounds = [low + (high - low) * number // count for number in range(1, count)]
    return tuple(Piece(lower, upper) for lower, upper in pairwise([None, *bounds, None]))

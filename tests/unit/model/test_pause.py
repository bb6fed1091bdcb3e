"""Pauses grow, and end growing."""

from repwatch.model.pause import Pauses


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [Pauses(first=1.0, longest=300.0).after(failures) for failures in range(1, 5000)]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 300.0

"""What patterns of tables may mean beyond the tables that there are."""

import pytest

from repwatch.drift.selection import exactly, open_schemas


@pytest.mark.parametrize(
    ("patterns", "schemas"),
    [
        ([], None),
        (["d.t"], ""),
        (["d.*"], "d"),
        (["d.t", "e.t?"], "e"),
        (["d.[ab]"], "d"),
        (["*.t"], None),
        (["[ab].t"], None),
        ([exactly("d.a*")], ""),
        (["[*]x.*"], "*x"),
    ],
)
def test_open_schemas(patterns: list[str], schemas: str | None) -> None:
    assert open_schemas(patterns) == (None if schemas is None else frozenset(schemas.split()))

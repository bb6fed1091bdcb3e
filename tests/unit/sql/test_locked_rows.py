"""What a MySQL server says of transactions on their way, as a GTID set."""

import pytest

from repwatch.model.gtid import GtidSet
from repwatch.sql.locked_rows import parse_owned

A = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
B = "85929048-e938-11f1-aed3-02fc00000001"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("", ""),
        (f"{A}:23#4", f"{A}:23"),
        (f"{A}:23#4:25#7", f"{A}:23:25"),
        (f"{A}:23#4#9", f"{A}:23"),
        (f"{A}:23#4,\n{B}:1#8", f"{A}:23,{B}:1"),
        (f"{A}:tag:23#4", f"{A}:tag:23"),
    ],
)
def test_owned_transactions(shown: str, expected: str) -> None:
    assert str(GtidSet.parse(parse_owned(shown))) == expected

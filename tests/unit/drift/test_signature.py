"""What a server's answer to a signature says, and when it says nothing."""

import pytest

from repwatch.sql.signature import parse_signature

HASH, SUMS = (b"3", b"ab12"), (b"3", b"17", b"4711")
CUT, NUMBER_AS_TEXT, DEPRECATED = (1260, ""), (1292, ""), (1287, "")


def test_a_signature_is_its_count_and_all_of_its_digest() -> None:
    assert parse_signature(HASH, ()).same_as(parse_signature(HASH, [DEPRECATED]))
    assert parse_signature(SUMS, ()).same_as(parse_signature(SUMS, ()))
    for other in ((b"3", b"17", b"4712"), (b"3", b"18", b"4711"), (b"4", b"17", b"4711"), (b"3", b"174711", b"")):
        assert not parse_signature(SUMS, ()).same_as(parse_signature(other, ()))
    assert parse_signature((b"0", None), ()).same_as(parse_signature((b"0", None), ()))


@pytest.mark.parametrize(
    ("row", "warnings", "narrowed"),
    [
        (HASH, [CUT], True),
        (HASH, [NUMBER_AS_TEXT], False),
        (HASH, [NUMBER_AS_TEXT, (0, "")], True),  # not all were kept: the one that was not may be of a cut
        ((b"3", None), [], False),
        ((b"3", b"17", None), [], False),
    ],
)
def test_what_was_not_taken_whole_is_void(row: tuple[bytes | None, ...], warnings: list[tuple[int, str]], narrowed: bool) -> None:
    found = parse_signature(row, warnings, narrowed=narrowed)
    assert found.void
    assert not found.same_as(found)


def test_a_condition_may_compare_text_with_numbers() -> None:
    assert not parse_signature(HASH, [NUMBER_AS_TEXT] * 9, narrowed=True).void

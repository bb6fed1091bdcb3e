"""The service's log: one line for an event, and no secret in it."""

import io
import logging
from collections.abc import Iterator

import pytest

from repwatch.adapters.secrets import reveal
from repwatch.cli.service_log import set_up_log
from repwatch.model.endpoint import LiteralSecret


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    made = logging.getLogger("repwatch")
    before = (made.handlers[:], made.level, made.propagate)
    yield made
    made.handlers[:], made.level, made.propagate = before


def test_a_line_is_one_and_has_no_secret(log: logging.Logger) -> None:
    stream, secret = io.StringIO(), reveal(LiteralSecret("s3cr3t-in-a-text"))
    set_up_log(stream)
    log.error("a server said: %s\nand %s", secret, "mysql://u:other@h")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert secret not in line
    assert "other" not in line
    assert "a server said" in line

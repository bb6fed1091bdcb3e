"""What a verb does without at its start, so that it starts fast."""

import subprocess
import sys

import pytest

LATER = {
    "drift": ("rich", "sqlglot", "pydantic"),
    "reseed": ("rich", "sqlglot", "pydantic", "repwatch.flows.drift", "repwatch.flows.reseed_load"),
}


@pytest.mark.parametrize("verb", LATER)
def test_what_is_needed_later_is_imported_later(verb: str) -> None:
    program = f"import sys, repwatch.cli.main, repwatch.cli.{verb}; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not {*LATER[verb]} & {*imported}

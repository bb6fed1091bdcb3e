"""One processor for the service, and any for the programs that it begins."""

import os
import subprocess
import sys

import pytest

from repwatch.adapters import processor

_TOLD = "import os; print(*sorted(os.sched_getaffinity(0)))"
_SETTLED = """
import os
from repwatch.adapters.processor import stay_on_one_processor
from repwatch.adapters.secrets import reveal
from repwatch.model.endpoint import CommandSecret
import sys
before = sorted(os.sched_getaffinity(0))
stay_on_one_processor()
(here,) = os.sched_getaffinity(0)
assert here in before
child = reveal(CommandSecret((sys.executable, "-c", sys.argv[1])))
assert child == " ".join(map(str, before)), child
assert os.sched_getaffinity(0) == {here}
"""


def test_a_secrets_program_runs_where_the_service_might_before() -> None:
    subprocess.run([sys.executable, "-c", _SETTLED, _TOLD], check=True, timeout=60)


def test_where_the_system_does_not_tell_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)

    def untold() -> int:
        raise FileNotFoundError

    monkeypatch.setattr(processor, "_processor", untold)
    processor.stay_on_one_processor()
    with processor.on_any_processor():
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before

"""The port to a look at one server."""

from typing import Protocol

from repwatch.model.observation import ProbeResult
from repwatch.model.topology import ServerSpec


class Probe(Protocol):
    """Looks at one server; never raises, ends in seconds as a rule, and has at most one look in flight for each server."""

    def __call__(self, server: ServerSpec) -> ProbeResult: ...

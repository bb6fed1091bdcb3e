"""Real servers on this machine, started from its own binaries: tests and the demo stand on them."""

from repwatch.sandbox.accounts import Account
from repwatch.sandbox.server import SandboxServer
from repwatch.sandbox.topology import Sandbox

__all__ = ["Account", "Sandbox", "SandboxServer"]

"""Where a password comes from that no URL and no file gives, and where state lies that no configuration places."""

import getpass
import os
import sys
from pathlib import Path

from repwatch.model.endpoint import EnvSecret


def ask_on_terminal(prompt: str) -> str | None:
    """A password typed on the terminal, unseen; None where there is no terminal."""
    return getpass.getpass(prompt) if sys.stdin.isatty() and sys.stderr.isatty() else None


def environment_password(variable: str) -> EnvSecret | None:
    """The variable that holds a password: `variable` if it is set, else REPWATCH_PASSWORD if that is, else None."""
    return next((EnvSecret(name) for name in (variable, "REPWATCH_PASSWORD") if name in os.environ), None)


def default_state_dir() -> Path:
    """`$XDG_STATE_HOME/repwatch`, by default `~/.local/state/repwatch`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path there is invalid and to be ignored.
    folder = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return folder / "repwatch"

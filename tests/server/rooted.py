"""Commands that only root may run. Who is not root needs sudo without a password."""

import os
import subprocess

_AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")


def may_be_root() -> bool:
    """True if `as_root` will work."""
    try:
        return subprocess.run([*_AS_ROOT, "true"], check=False, capture_output=True).returncode == 0
    except OSError:  # there is no sudo
        return False


def as_root(*command: str) -> None:
    """Run it, or raise CalledProcessError."""
    subprocess.run([*_AS_ROOT, *command], check=True)

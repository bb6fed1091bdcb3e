"""Small file systems in memory, for tests of full disks. Only root may mount them; who is not needs sudo without a password."""

import os
import subprocess
from pathlib import Path

_AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")


def mount(folder: Path, size: str) -> None:
    """One of that size (such as "1m"), or another size for the one that is there. Everybody may write to it."""
    change = ",remount" if folder.is_mount() else ""
    options = f"size={size},mode=1777{change}"
    subprocess.run([*_AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def bind(folder: Path, place: Path) -> None:
    """Show a folder at another place, or make it a mount point at its own."""
    subprocess.run([*_AS_ROOT, "mount", "--bind", str(folder), str(place)], check=True)


def unmount(folder: Path) -> None:
    """Take it away, used or not."""
    subprocess.run([*_AS_ROOT, "umount", "--lazy", str(folder)], check=True)

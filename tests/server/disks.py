"""Small file systems in memory, for tests of full disks."""

from pathlib import Path

from tests.server.rooted import as_root


def mount(folder: Path, size: str) -> None:
    """One of that size (such as "1m"), or another size for the one that is there. Everybody may write to it."""
    change = ",remount" if folder.is_mount() else ""
    as_root("mount", "-t", "tmpfs", "-o", f"size={size},mode=1777{change}", "tmpfs", str(folder))


def bind(folder: Path, place: Path) -> None:
    """Show a folder at another place, or make it a mount point at its own."""
    as_root("mount", "--bind", str(folder), str(place))


def unmount(folder: Path) -> None:
    """Take it away, used or not."""
    as_root("umount", "--lazy", str(folder))

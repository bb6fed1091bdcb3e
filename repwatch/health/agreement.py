"""Whom `source = "auto"` settles on: one rule for all that ask, or a check would use another source than the watch."""

from collections.abc import Collection


def agreed_root(links: Collection[tuple[str, str]], writable: Collection[str]) -> str | None:
    """The label of the server that all replication comes from, None if there is none or more than one: nothing is guessed.

    `links` are (replica, source), by label. Of servers that replicate from each other, it is the only writable one.
    """
    sources = {source for _, source in links}
    roots = sources - {replica for replica, _ in links} or sources & set(writable)
    return next(iter(roots)) if len(roots) == 1 else None

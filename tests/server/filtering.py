"""Replicas that leave out, or put elsewhere, a part of what their source has."""

from collections.abc import Iterator
from contextlib import contextmanager

from repwatch.model.server import Flavour
from repwatch.sandbox import SandboxServer


def set_filters(server: SandboxServer, **filters: tuple[str, ...]) -> None:
    """Give a replica filters for tables or databases, by the names of MariaDB's variables; the applier stops for it."""
    mariadb = server.flavour is Flavour.MARIADB
    with server.connect() as db:
        db.execute("STOP SLAVE" if mariadb else "STOP REPLICA SQL_THREAD")
        for rule, values in filters.items():
            if mariadb:
                db.execute(f"SET GLOBAL {rule} = '{','.join(values)}'")
            else:
                db.execute(f"CHANGE REPLICATION FILTER {rule.upper()} = ({', '.join(_shown(rule, value) for value in values)})")
        db.execute("START SLAVE" if mariadb else "START REPLICA SQL_THREAD")


@contextmanager
def filtering(server: SandboxServer, rule: str, value: str) -> Iterator[None]:
    """For as long as the block runs. A rewrite is written `before->after`."""
    set_filters(server, **{rule: (value,)})
    try:
        yield
    finally:
        set_filters(server, **{rule: ()})


def _shown(rule: str, value: str) -> str:
    if "rewrite" in rule:
        return f"({value.replace('->', ', ')})"
    if rule.endswith("db"):
        return f"`{value}`"
    return f"'{value}'" if "wild" in rule else value

"""Proofs of tables in the store."""

from collections.abc import Iterable

from sqlalchemy import Connection, and_, delete, insert, select

from repwatch.adapters.store.tables import moment, proofs, stamp
from repwatch.drift.proving import TableProof
from repwatch.drift.report import Verdict


def read_proofs(connection: Connection, cluster: str) -> tuple[TableProof, ...]:
    """All of a cluster."""
    found = connection.execute(select(proofs).where(proofs.c.cluster == cluster)).mappings()
    return tuple(
        TableProof(
            server=row["server"],
            channel=row["channel"],
            table=row["table_name"],
            since=moment(row["since"]),
            checked=moment(row["checked"]),
            verdict=Verdict(row["verdict"]),
            proved=None if row["proved"] is None else moment(row["proved"]),
        )
        for row in found
    )


def write_proofs(connection: Connection, cluster: str, found: Iterable[TableProof]) -> None:
    """Put them in the place of what was known of these tables."""
    for proof in found:
        key = {"cluster": cluster, "server": proof.server, "channel": proof.channel, "table_name": proof.table}
        values = {"since": stamp(proof.since), "checked": stamp(proof.checked), "verdict": proof.verdict.value}
        connection.execute(delete(proofs).where(and_(*(proofs.c[name] == value for name, value in key.items()))))
        proved = None if proof.proved is None else stamp(proof.proved)
        connection.execute(insert(proofs).values(**key, **values, proved=proved))


def keep_proofs(connection: Connection, cluster: str, tables: Iterable[str]) -> None:
    """Forget tables that are no more."""
    known = connection.execute(select(proofs.c.table_name).where(proofs.c.cluster == cluster).distinct()).scalars()
    for gone in set(known) - set(tables):
        connection.execute(delete(proofs).where(proofs.c.cluster == cluster, proofs.c.table_name == gone))

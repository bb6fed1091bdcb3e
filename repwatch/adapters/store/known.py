"""What a look needs of the store, in one statement: with fifty looks a second each one more is felt."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CompoundSelect, Connection, Select, Text, bindparam, cast, literal_column, null, select, union_all

from repwatch.adapters.store import codec
from repwatch.adapters.store.silences import COLUMNS, LASTING, silence
from repwatch.adapters.store.tables import incidents, sources, stamp, standing
from repwatch.ports.store import Known

_INCIDENT, _STANDING, _SOURCE, _SILENCE = "incident", "standing", "source", "silence"


def _kind(name: str, *columns: Any) -> Select[Any]:
    """Rows of one width: what is missing at the end is NULL."""
    missing = [null()] * (len(COLUMNS) - len(columns))
    return select(literal_column(f"'{name}'"), *columns, *missing)


def _known() -> CompoundSelect[Any]:
    living = _kind(_INCIDENT, incidents.c.body, incidents.c.acknowledged, incidents.c.acknowledged_by).where(
        incidents.c.cluster == bindparam("name"), incidents.c.resolved.is_(None)
    )
    stand = _kind(_STANDING, standing.c.body).where(standing.c.cluster == bindparam("name"))
    settled = _kind(_SOURCE, sources.c.body).where(sources.c.cluster == bindparam("name"))
    hold = _kind(_SILENCE, *(cast(column, Text) for column in COLUMNS)).where(LASTING)
    return union_all(living, stand, settled, hold)


_KNOWN: Final = _known()


def read_known(connection: Connection, cluster: str, now: datetime) -> Known:
    """Of one cluster, and the silences of all, those that end first before the others."""
    rows = connection.execute(_KNOWN, {"name": cluster, "now": stamp(now)}).all()
    return Known(
        incidents=tuple(
            codec.incident(body, acknowledged=acknowledged is not None, by=by)
            for kind, body, acknowledged, by, *_ in rows
            if kind == _INCIDENT
        ),
        standing=tuple(codec.FINDING.validate_json(body) for kind, body, *_ in rows if kind == _STANDING),
        source=next((codec.SOURCE.validate_json(body) for kind, body, *_ in rows if kind == _SOURCE), None),
        silences=tuple(sorted((silence(row) for kind, *row in rows if kind == _SILENCE), key=lambda each: each.until)),
    )

"""Who takes part in a check, and what is known of each: connections, identities, positions, and who fell out and why."""

from collections.abc import Callable
from dataclasses import dataclass, field

from repwatch.drift.filters import Filtering, Reach, reach
from repwatch.drift.report import Reason
from repwatch.drift.selection import matches_any
from repwatch.drift.verdict import Events, Stillness
from repwatch.flows.drift_lane import Lane
from repwatch.model.schema import Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.sql.filters import NO_DATABASE_FILTERS, DatabaseFilters
from repwatch.sql.where import Condition


class Watermark:
    """The source's position as last seen, and for how long it has not moved. Written by the source's lane alone."""

    def __init__(self) -> None:
        self.position = ""
        self.still: Stillness | None = None

    def seen_since(self, moment: float) -> bool:
        """True if the position was looked at after this monotonic second."""
        return self.still is not None and self.still.until >= moment

    def quiet_since(self, moment: float) -> bool:
        """True if the position has not moved since this monotonic second."""
        return self.still is not None and self.still.since <= moment

    def record(self, position: str, asked: float, answered: float) -> None:
        """Note a position that was asked for and answered at these monotonic seconds."""
        if self.still is not None and position == self.position:
            self.still = Stillness(self.still.since, asked)
        else:
            self.position, self.still = position, Stillness(answered, answered)


@dataclass(kw_only=True)
class SourceSide:
    """The source of a check."""

    spec: ServerSpec
    lane: Lane
    version: ServerVersion
    server_id: int
    server_uuid: str
    events: Events
    tables: dict[TableName, Table]
    logged: DatabaseFilters = NO_DATABASE_FILTERS  # what it writes into its binary log
    watermark: Watermark = field(default_factory=Watermark)
    snapshots: dict[tuple[str, str], str | None] = field(default_factory=dict)  # last log coordinates, as GTIDs (MariaDB)


@dataclass(kw_only=True)
class ReplicaSide:
    """One replica of a check. `fallen` says why it takes part no more."""

    target: ReplicaTarget
    lane: Lane
    version: ServerVersion | None = None
    server_uuid: str = ""
    tells_snapshots: bool = False  # a snapshot's exact position can be read (MariaDB, with SELECT on mysql.gtid_slave_pos)
    tables: dict[TableName, Table] = field(default_factory=dict)
    filtering: Filtering = field(default_factory=Filtering)
    fallen: Reason | None = None
    as_of: str = ""  # the last position of the source that it was seen to have reached
    reached: tuple[int, str] = (0, "")  # the same, with the connection that saw it: a server that crashed may have lost it


@dataclass(kw_only=True)
class CheckWorld:
    """Everything that the parts of a check share."""

    source: SourceSide
    replicas: tuple[ReplicaSide, ...]
    clock: Clock
    cancelled: Callable[[], bool]
    settle_seconds: float
    condition: Condition | None = None
    strict: bool = False  # differences of definitions that touch no data count too

    def reach(self, number: int, name: TableName) -> Reach:
        """Whether a table is replicated to a replica; the replica's own tables are not."""
        replica = self.replicas[number]
        if matches_any(name, replica.target.server.local_tables):
            return Reach.FILTERED
        return reach(name, replica.filtering, self.source.events)

    def standing(self) -> list[int]:
        """The numbers of the replicas that still take part."""
        return [number for number, replica in enumerate(self.replicas) if replica.fallen is None]

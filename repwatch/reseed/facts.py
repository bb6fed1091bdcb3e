"""What a reseed has to know about both servers before it decides anything. Read by `flows/reseed_survey.py`."""

from dataclasses import dataclass

from repwatch.drift.filters import UNFILTERED, Filtering
from repwatch.drift.verdict import Events
from repwatch.model.schema import TableName
from repwatch.model.server import Address, ServerVersion
from repwatch.reseed.hosts import Hosts
from repwatch.reseed.method import Method
from repwatch.reseed.stages import Marker
from repwatch.sql.clone import CloneState
from repwatch.sql.definitions import Kind
from repwatch.sql.replication import ChannelState


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One server. `address` is how repwatch reaches it; `key` tells it apart from all others, whatever its address."""

    address: Address
    version: ServerVersion
    server_id: int
    server_uuid: str  # "" on MariaDB
    log_bin: bool
    logs_updates: bool  # what it replicates goes to its binary log too
    gtid: bool
    lower_case_names: int
    max_allowed_packet: int
    binlog_expires: int  # seconds, 0: never
    group_member: bool  # of Galera or Group Replication
    schemas: tuple[str, ...]
    prepared: tuple[str, ...]  # XA transactions
    channels: tuple[ChannelState, ...]
    missing_grants: tuple[str, ...]  # as GRANT statements
    places: tuple[Address, ...] = ()  # where it says itself that it is: its host name, what it reports to its source

    @property
    def key(self) -> str:
        """server_uuid, or on MariaDB the server_id, which must be unique among servers that replicate."""
        return self.server_uuid or str(self.server_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A table. `definition` is that of a base table without its counter, "" for others and where it cannot be read."""

    name: TableName
    kind: str  # BASE TABLE, VIEW, SEQUENCE, SYSTEM VERSIONED, …
    engine: str
    rows: int  # the server's estimate
    data_bytes: int
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """The server that is copied from."""

    server: ServerFacts
    tables: tuple[TableFacts, ...]
    fingerprint: str  # of all definitions
    foreign_keys: tuple[tuple[TableName, TableName], ...] = ()  # tables, and to which they refer
    objects: tuple[tuple[Kind, TableName], ...] = ()  # all but schemas and tables
    triggers: tuple[tuple[TableName, TableName], ...] = ()  # each with its table


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is known of the way that changes take from the source to a replica: what filters it, and what it carries."""

    filtering: Filtering = UNFILTERED
    events: Events = Events.ROW_IMAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """Another channel of the target. `has`: which of the named tables its source has; None where that could not be asked."""

    channel: str
    has: frozenset[TableName] | None
    way: Way = Way()


@dataclass(frozen=True, slots=True, kw_only=True)
class DonorFacts:
    """A replica of the source that is copied from in its place (`--from`)."""

    data: SourceFacts
    channel: str  # that reads from the source
    read_only: bool
    errant: str = ""  # transactions that the source does not have
    way: Way = Way()

    @property
    def state(self) -> ChannelState | None:
        """The channel that reads from the source, None if it has none of that name."""
        return next((state for state in self.data.server.channels if state.channel == self.channel), None)

    @property
    def delay(self) -> int:
        """Seconds by which it is behind on purpose."""
        return self.state.delay if self.state and not self.state.held else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSide:
    """What a clone wants of a server, as far as it must fit the other side's."""

    plugins: frozenset[str]  # active, and loaded from a file
    registered: bool  # INSTALL PLUGIN put the clone plugin into a table, which a clone replaces
    platform: str
    charset: str
    storage: str  # page size and system tablespace
    file_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneFacts:
    """Whether the target can be cloned from the server that is copied from. None of it where the versions forbid it."""

    donor: CloneSide
    target: CloneSide
    address: Address  # by which the target reaches the donor
    missing_grants: tuple[str, ...]  # as GRANT statements, on the target
    shut_out: tuple[str, ...]  # accounts that reach the target, and have no access or other rights on the donor
    outside_files: tuple[str, ...]  # of the donor
    state: CloneState  # of the last clone into the target
    scheduler: str  # of the target: ON, OFF or DISABLED
    persisted: str  # its super_read_only in mysqld-auto.cnf, "" if it is not there
    position: str = ""  # of a clone that was begun by an interrupted reseed, and is complete


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """The server that is written to."""

    server: ServerFacts
    read_only: bool
    super_read_only: bool
    trust_creators: bool  # log_bin_trust_function_creators
    local_infile: bool  # the server takes files of clients
    dump_clients: tuple[str, ...]  # hosts of replicas that are connected now
    replicas: tuple[str, ...]  # servers of the inventory that replicate, or should, from this one
    writers: tuple[str, ...]  # sessions in the middle of a writing transaction
    marker: Marker | None
    executed: str
    tables: tuple[TableFacts, ...] = ()
    objects: tuple[tuple[Kind, TableName], ...] = ()  # all but schemas and tables
    foreign_keys: tuple[tuple[TableName, TableName], ...] = ()  # as of the source
    triggers: tuple[tuple[TableName, TableName], ...] = ()
    errant: str = ""  # transactions that the source does not have
    export_grants: tuple[str, ...] = ()  # what the account lacks to save them, as GRANT statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it, with what the person asked for."""

    source: SourceFacts
    target: TargetFacts
    channel: str
    login: bool  # a replication account is configured
    overwrite_standalone: str  # host:port, "" if not given
    local_tables: tuple[str, ...]  # patterns of what the replica owns
    asked: Method | None = None  # None: what costs least
    only: tuple[TableName, ...] = ()  # asked for by name
    donor: DonorFacts | None = None  # None: the source is copied from
    clone: CloneFacts | None = None  # None: these versions cannot be cloned
    export: bool = False  # what only the target has is saved to a file first
    hosts: Hosts | None = None  # None: not looked at, or not in the configuration
    disputes: tuple[str, ...] = ()  # why the named source may not be the source of the cluster any more
    way: Way = Way()  # to the target
    feeders: tuple[Feeder, ...] = ()  # one for each of the other channels, where tables are named
    fetching: bool = False  # what the channel's receiver has lies between two looks at what the source has written

    @property
    def copied(self) -> SourceFacts:
        """Where the data comes from: the source, or a replica that stands for it."""
        return self.donor.data if self.donor else self.source

    @property
    def current(self) -> ChannelState | None:
        """The channel that is to be reseeded, None if the target has none of that name."""
        return next((state for state in self.target.server.channels if state.channel == self.channel), None)

    @property
    def other_channels(self) -> tuple[str, ...]:
        """Those of the target beside the one that is to be reseeded."""
        return tuple(state.channel for state in self.target.server.channels if state.channel != self.channel)

    @property
    def follows_source(self) -> bool:
        """True if the channel is proved to read from the named source.

        A server id is no proof: MariaDB has nothing else, half of all sources have number 1, and it is kept when the channel
        is pointed elsewhere. Then it takes the address too, or that transactions arrive from there.
        """
        state, source = self.current, self.source.server
        if state is None or not reads_from(state, source):
            return False
        return bool(state.source_uuid and source.server_uuid) or is_at(state.source, source) or self.fetching or self._taken_up

    @property
    def _taken_up(self) -> bool:
        """An interrupted reseed has looked at this before it stopped the receiver. With an account it makes the channel anew."""
        marker = self.target.marker
        return marker is not None and marker.source_key == self.source.server.key and not self.login

    @property
    def dropped_schemas(self) -> tuple[str, ...]:
        """Schemas of the target that the copy replaces or that the source does not have."""
        return tuple(name for name in self.target.server.schemas if not self.owns_schema(name))

    def owns_schema(self, schema: str) -> bool:
        """True if the whole schema is the replica's own (`local_tables = ["schema.*"]`)."""
        return f"{schema}.*" in self.local_tables


def reads_from(state: ChannelState, source: ServerFacts) -> bool:
    """True if the channel's source may be that server: all that it tells of its source's identity fits."""
    if state.source_uuid and source.server_uuid:
        return state.source_uuid == source.server_uuid.lower()
    if state.source_id:
        return state.source_id == source.server_id
    return is_at(state.source, source)


def is_at(address: Address, server: ServerFacts) -> bool:
    """True if the server is known by that address."""
    places = {(place.host.lower(), place.port) for place in (server.address, *server.places)}
    return (address.host.lower(), address.port) in places

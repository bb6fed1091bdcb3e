"""What `doctor` learns about servers, and the form of what it says: values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from repwatch.model.observation import DiskSpace
from repwatch.model.server import Address, ServerVersion
from repwatch.model.view import Role
from repwatch.reseed.hosts import HostFacts
from repwatch.sql.filters import NO_DATABASE_FILTERS, DatabaseFilters
from repwatch.sql.privileges import Grant
from repwatch.sql.replication import ChannelState


class Level(StrEnum):
    """How bad a remark is; only PROBLEM changes the exit status."""

    GOOD = "good"
    NOTE = "note"  # worth knowing; repwatch works
    PROBLEM = "problem"


class Topic(StrEnum):
    """What a remark is about; stable, for scripts."""

    CONNECTION = "connection"
    TLS = "tls"
    PRIVILEGES = "privileges"
    OPERATOR = "operator-account"
    RESTART = "restart"
    HEARTBEAT = "heartbeat"
    MACHINE = "machine"  # [host] of a server, for reseed by files
    CLONING = "cloning"
    REPLICATION_ACCOUNT = "replication-account"
    SERVER_ID = "server-id"
    SAME_SERVER = "same-server"
    REPLICATION = "replication"
    GTID = "gtid"
    BINLOG = "binlog"
    DISK = "disk"
    DURABILITY = "durability"
    READ_ONLY = "read-only"
    VERSION = "version"
    TIME_ZONE = "time-zone"
    TABLE_NAMES = "table-names"
    DRIVER = "driver"
    SECRETS = "secrets"
    CONFIGURATION = "configuration"
    STORE = "store"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that was looked at. `grants` are the statements that are missing, ready to be run by an administrator."""

    topic: Topic
    level: Level
    text: str
    hint: str = ""
    grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One account that got in. `grants` are the lines of SHOW GRANTS, `user` is CURRENT_USER()."""

    user: str
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A look, or a login, that did not come about. `refused`: the server is there and does not let the account in."""

    text: str
    hint: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One server as `doctor` or `init` saw it."""

    address: Address
    version: ServerVersion
    variables: Mapping[str, str]
    login: Login
    tls: str  # the protocol's version, "" without TLS
    channels: tuple[ChannelState, ...] | None  # None: the account may not see them
    replicas: tuple[Address, ...]  # that announced themselves, as far as the account may see them; a host may be ""
    clients: tuple[str, ...]  # hosts that read the binary log now
    heartbeat: bool = False  # its table is there
    operator: Login | Failed | None = None  # None: none is configured
    replication: Login | Failed | None = None  # None: none is configured, or this is no source
    machine: HostFacts | Failed | None = None  # None: none is configured, or no files are copied from or to this flavour
    logged: DatabaseFilters = NO_DATABASE_FILTERS  # what of its schemas a source logs
    disks: tuple[DiskSpace, ...] | None = None  # None: it does not tell
    can_clone: bool | None = None  # the plugin is active; None: this version has none

    @property
    def server_id(self) -> int:
        """0 if it was never set."""
        return int(self.variables.get("server_id") or 0)

    @property
    def server_uuid(self) -> str:
        """Lower case; "" on MariaDB, which has none."""
        return self.variables.get("server_uuid", "").lower()

    @property
    def identity(self) -> tuple[str, ...]:
        """The same for one server however it is reached: its UUID, or what only one running server can have."""
        if self.server_uuid:
            return (self.server_uuid,)
        return tuple(self.variables.get(name, "") for name in ("hostname", "port", "datadir"))

    def is_on(self, variable: str) -> bool:
        """True if the variable is on; false if it is off, or unknown to this server."""
        return self.variables.get(variable, "").upper() in ("ON", "1", "ON_PERMISSIVE", "NO_LOCK", "NO_LOCK_NO_ADMIN")


class Verb(StrEnum):
    """What may be run, and the named better proofs of a check. Stable, for scripts."""

    DRIFT = "drift"
    DRIFT_AT_ONE_MOMENT = "drift at one moment"
    DRIFT_BY_ROW_IMAGES = "drift by row images"
    DRIFT_LOCK_HOT = "drift --lock-hot"
    DRIFT_EXACT = "drift --proof exact"
    REPAIR = "repair"
    RESEED_DIFFERENTIAL = "reseed --method differential"
    RESEED_LOGICAL = "reseed --method logical"
    RESEED_CLONE = "reseed --method clone"
    RESEED_PHYSICAL = "reseed --method physical"
    RESEED_TABLE = "reseed --table"
    RESEED_EXPORT = "reseed --export-errant"
    HEARTBEAT = "heartbeat"
    RESTART = "restart of threads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """A verb on one server. `lacks`: privileges of the account; `hindrance`: what else stands in the way."""

    verb: Verb
    account: str  # as CURRENT_USER() says; "" if it does not get in
    lacks: tuple[Grant, ...] = ()
    hindrance: str = ""

    @property
    def able(self) -> bool:
        """True if nothing is in the way, as far as the server's accounts go."""
        return not self.lacks and not self.hindrance


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheckup:
    """All remarks on one server."""

    server: str  # host:port
    name: str | None
    role: Role
    version: str  # "" if it was not reached
    remarks: tuple[Remark, ...]
    abilities: tuple[Ability, ...] = ()  # none if it was not reached


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCheckup:
    """All remarks on one cluster."""

    name: str
    servers: tuple[ServerCheckup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """Everything `doctor` has to say. `remarks` are about this machine: driver, configuration, store, receivers."""

    remarks: tuple[Remark, ...]
    clusters: tuple[ClusterCheckup, ...]

    @property
    def problems(self) -> int:
        """How many there are."""
        servers = (server for cluster in self.clusters for server in cluster.servers)
        every = [*self.remarks, *(remark for server in servers for remark in server.remarks)]
        return sum(remark.level is Level.PROBLEM for remark in every)

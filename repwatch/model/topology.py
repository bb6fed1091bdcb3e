"""The inventory: what a person says should be there. Built by `app/config.py` or from URLs on the command line."""

from dataclasses import dataclass, field
from datetime import timedelta

from repwatch.model.endpoint import Endpoint, SecretSource, TlsMode

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """The machine of a server, for what SQL cannot do: copying whole files, stopping the server, starting it."""

    shell: tuple[str, ...] = ()  # a command that takes one more argument, a script for `sh`; empty: this machine
    stop: str = "systemctl stop mariadb"
    start: str = "systemctl start mariadb"
    threads: int = 4  # that read or write files


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """One server as wanted. `name` is None for a server given by URL alone."""

    endpoint: Endpoint
    name: str | None = None
    operator: Endpoint | None = (
        None  # used by repair, reseed, exact checks and restarts alone; None: the watching account is used
    )
    replicates_from: str | None = None  # a server's name; None: the cluster's source
    channels: dict[str, str] = field(default_factory=dict)  # channel name -> server name, for multi-source
    max_lag: timedelta | None = None  # None: the cluster's
    writable: bool = False
    local_tables: tuple[str, ...] = ()  # `db.pattern`: the replica's own, never compared
    delay: timedelta = timedelta(0)
    host: HostSpec | None = None  # None: it can be reached by SQL alone
    restart_transient: bool | None = None  # None: as the cluster

    @property
    def label(self) -> str:
        """What people call it: its name, else its address."""
        return self.name or str(self.endpoint.address)

    def is_called(self, label: str | None) -> bool:
        """True if the label is its name or its address."""
        return label is not None and label in (self.name, str(self.endpoint.address))

    @property
    def writer(self) -> Endpoint:
        """The account that may change this server."""
        return self.operator or self.endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationAccount:
    """The account with which a reseeded replica connects to its source."""

    user: str
    password: SecretSource | None
    tls: TlsMode = TlsMode.PREFERRED


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSpec:
    """When a cluster's data is checked. All times are UTC."""

    schedule: str | None = None  # cron: everything
    prove_within: timedelta | None = None  # each table is to be proved within this time
    window: tuple[str, ...] = ()  # spans of the day, `22:00-06:00`, in which checks may run; none: always
    max_threads_running: int | None = None  # a check waits while more run on a server; None: as a check by hand
    load: int | None = None  # percent of the time in which the source may be read; None: likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """One source with its replicas. `source` is a server's label or AUTO: the one the replicas agree on."""

    name: str
    source: str
    servers: tuple[ServerSpec, ...]
    poll_interval: timedelta = timedelta(seconds=5)
    max_lag: timedelta = timedelta(seconds=30)
    maintenance: tuple[str, ...] = ()  # `[sun ]22:00-04:00`, UTC: nobody is told of the cluster
    replication: ReplicationAccount | None = None
    heartbeat: str | None = None  # the schema that holds its table; None: none is written
    drift: DriftSpec = DriftSpec()
    restart_transient: bool = False  # threads that a passing error has stopped may be started again

    def restarts(self, server: ServerSpec) -> bool:
        """True if stopped threads of this server may be started; its operator does that."""
        wanted = self.restart_transient if server.restart_transient is None else server.restart_transient
        return wanted and server.operator is not None

    def server(self, label: str) -> ServerSpec:
        """The server with that name or address. Raises KeyError if there is none."""
        for server in self.servers:
            if server.is_called(label):
                return server
        raise KeyError(label)

    def upstream(self, server: ServerSpec) -> dict[str, str]:
        """The label (or AUTO) of the server that each channel of `server` should replicate from; empty for a source.

        Sources are the cluster's own, and a server that only the channels of others name (multi-source).
        """
        if server.channels:
            return dict(server.channels)
        if server.replicates_from:
            return {"": server.replicates_from}
        named = [label for other in self.servers for label in other.channels.values()]
        return {} if any(server.is_called(label) for label in (self.source, *named)) else {"": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaTarget:
    """One replica's channel as the object of a check, a repair or a reseed; "" is the default channel."""

    server: ServerSpec
    channel: str = ""

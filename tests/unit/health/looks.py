"""Looks at servers that nobody had to start."""

from repwatch.health.checkup import Login, Look
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Address, ServerVersion
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.sql.privileges import watch_grants
from repwatch.sql.replication import ChannelState

MYSQL = "9.7.0"
MARIADB = "10.11.14-MariaDB"


def channel(
    source: str, *, name: str = "", source_id: int = 0, uuid: str = "", connected: bool = True, gtid: bool = True
) -> ChannelState:
    """A channel that leads to `source`, host:port."""
    host, _, port = source.partition(":")
    return ChannelState(
        channel=name,
        source=Address(host, int(port or 3306)),
        source_id=source_id,
        source_uuid=uuid,
        receiver_running=connected,
        applier_running=True,
        receiver_errno=0,
        receiver_error="",
        applier_errno=0,
        applier_error="",
        delay=0,
        uses_gtid=gtid,
    )


def look(
    host: str, *channels: ChannelState, version: str = MYSQL, grants: tuple[str, ...] | None = None, **variables: str
) -> Look:
    """A server that has nothing wrong with it but what `variables` say."""
    parsed = ServerVersion.parse(version)
    number = host.rpartition("db")[2] or "1"
    ordinary = {
        "server_id": number,
        "hostname": host,
        "port": "3306",
        "datadir": "/var/lib/mysql/",
        "gtid_mode": "ON",
        "log_bin": "ON",
        "read_only": "ON" if channels else "OFF",
        "binlog_format": "ROW",
        "binlog_row_image": "FULL",
        "lower_case_table_names": "0",
        "time_zone": "SYSTEM",
        "system_time_zone": "UTC",
    }
    if not parsed.is_mariadb:
        ordinary["server_uuid"] = f"uuid-{host}"
    return Look(
        address=Address(host, 3306),
        version=parsed,
        variables=ordinary | variables,
        login=Login(user="repwatch@%", grants=watch_grants(parsed) if grants is None else grants),
        tls="TLSv1.3",
        channels=channels,
        replicas=(),
        clients=(),
    )


def server(name: str, **more: object) -> ServerSpec:
    """A server that is called as its host is."""
    return ServerSpec(endpoint=Endpoint(Address(name, 3306), "repwatch"), name=name, **more)  # type: ignore[arg-type]


def cluster(*servers: ServerSpec, source: str = "db1") -> ClusterSpec:
    """A cluster of these."""
    return ClusterSpec(name="shop", source=source, servers=servers)

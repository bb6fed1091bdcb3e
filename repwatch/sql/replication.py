"""Statements that stop, hold, steer and start one replication channel, by flavour and version, and its state read back.

A channel is MySQL's channel or MariaDB's connection; "" is the default one. It is always named in the statement: MariaDB's
`default_master_connection` would otherwise decide. SLAVE became REPLICA in MySQL 8.0.22 and MASTER became SOURCE in 8.0.23;
8.4 knows the new words only, MariaDB the old ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from repwatch.model.endpoint import TlsMode
from repwatch.model.observation import ThreadState
from repwatch.model.server import Address, ServerVersion
from repwatch.sql.quoting import quote_text
from repwatch.sql.status_columns import RawRow, StatusRow
from repwatch.sql.status_texts import hide_secrets

# The largest delay that both flavours take, in seconds: 68 years. It is stored with the channel, so that a server that
# restarts and starts its applier by itself still applies nothing.
HOLD_DELAY = 2_147_483_647


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """One channel as its server shows it; `errno` 0 is no error. `source_uuid` is "" on MariaDB."""

    channel: str
    source: Address
    source_id: int
    source_uuid: str
    receiver_running: bool  # also while it tries to connect
    applier_running: bool
    receiver_errno: int
    receiver_error: str
    applier_errno: int
    applier_error: str
    delay: int  # seconds
    uses_gtid: bool
    skip_pending: int = 0  # events or transactions that the next START leaves out
    received: str = ""  # by GTID: how far the receiver is (MariaDB), or what it has received (MySQL, beside what is executed)

    @property
    def connected(self) -> bool:
        """True while the receiver runs without an error."""
        return self.receiver_running and not self.receiver_errno

    @property
    def held(self) -> bool:
        """True while the delay of a hold is set."""
        return self.delay == HOLD_DELAY


def show_channels(version: ServerVersion) -> str:
    """All channels, one row each."""
    if version.is_mariadb:
        return "SHOW ALL SLAVES STATUS"
    return f"SHOW {_replica(version)} STATUS"


def channel_state(columns: RawRow) -> ChannelState:
    """One row of `show_channels`."""
    row = StatusRow(columns)
    return ChannelState(
        channel=row.text("channel_name", "connection_name"),
        source=Address(row.text("source_host"), row.whole("source_port")),
        source_id=row.whole("source_server_id"),
        source_uuid=row.text("source_uuid").lower(),
        receiver_running=row.thread("replica_io_running") in (ThreadState.RUNNING, ThreadState.CONNECTING),
        applier_running=row.thread("replica_sql_running") is ThreadState.RUNNING,
        receiver_errno=row.whole("last_io_errno"),
        receiver_error=hide_secrets(row.text("last_io_error")),
        applier_errno=row.whole("last_sql_errno"),
        applier_error=hide_secrets(row.text("last_sql_error")),
        delay=row.whole("sql_delay"),
        uses_gtid=row.is_on("auto_position") or row.is_on("using_gtid"),
        skip_pending=row.whole("skip_counter"),
        received=row.text("retrieved_gtid_set", "gtid_io_pos").replace("\n", ""),
    )


def executed(version: ServerVersion) -> str:
    """How far replication got on this server, as GTID text. MariaDB's own writes are not in it."""
    return "SELECT @@GLOBAL.gtid_slave_pos" if version.is_mariadb else "SELECT @@GLOBAL.gtid_executed"


def written(version: ServerVersion) -> str:
    """What this server has written to its binary log, as GTID text: on a source, how far it is."""
    return "SELECT @@GLOBAL.gtid_binlog_pos" if version.is_mariadb else "SELECT @@GLOBAL.gtid_executed"


def stop_channel(version: ServerVersion, channel: str) -> str:
    """Stop receiver and applier; at once where they do not run."""
    return _thread_statement(version, "STOP", channel, "")


def stop_applier(version: ServerVersion, channel: str) -> str:
    """Stop the applier alone."""
    return _thread_statement(version, "STOP", channel, "SQL_THREAD")


def stop_receiver(version: ServerVersion, channel: str) -> str:
    """Stop the receiver alone."""
    return _thread_statement(version, "STOP", channel, "IO_THREAD")


def start_channel(version: ServerVersion, channel: str) -> str:
    """Start receiver and applier."""
    return _thread_statement(version, "START", channel, "")


def start_receiver(version: ServerVersion, channel: str) -> str:
    """Start the receiver alone."""
    return _thread_statement(version, "START", channel, "IO_THREAD")


def start_applier(version: ServerVersion, channel: str) -> str:
    """Start the applier alone."""
    return _thread_statement(version, "START", channel, "SQL_THREAD")


def start_until(version: ServerVersion, channel: str, position: str) -> str:
    """Start what is needed to apply up to and with `position`, and no further.

    MariaDB wants both threads stopped for this and starts both (its manual, "START SLAVE UNTIL master_gtid_pos"); MySQL
    starts the applier, and the receiver goes on by itself.
    """
    if version.is_mariadb:
        return f"START SLAVE {quote_text(channel)} UNTIL master_gtid_pos = {quote_text(position)}"
    until = f"SQL_THREAD UNTIL SQL_AFTER_GTIDS = {quote_text(position)}"
    return f"START {_replica(version)} {until} FOR CHANNEL {quote_text(channel)}"


def set_delay(version: ServerVersion, channel: str, seconds: int) -> str:
    """Set the delay of the applier. It must be stopped; on MariaDB the receiver too."""
    return change_channel(version, channel, {"DELAY": str(seconds)})


def follow_by_gtid(version: ServerVersion, channel: str) -> str:
    """Make the channel read from where the server's GTID state says, and forget its relay logs (both threads are stopped)."""
    if version.is_mariadb:
        return change_channel(version, channel, {"USE_GTID": "slave_pos"})
    return change_channel(version, channel, {"AUTO_POSITION": "1"})


def forget_relay_logs(version: ServerVersion, channel: str) -> str:
    """MySQL: drop the relay logs and the delay, keep the connection. Both threads are stopped.

    MariaDB's statement of this name forgets the channel with the next restart, and its CHANGE MASTER drops the relay logs.
    """
    assert not version.is_mariadb
    return f"RESET {_replica(version)} FOR CHANNEL {quote_text(channel)}"


def forget_channel(version: ServerVersion, channel: str) -> str:
    """Remove the channel, which is stopped."""
    if version.is_mariadb:
        return f"RESET SLAVE {quote_text(channel)} ALL"
    return f"RESET {_replica(version)} ALL FOR CHANNEL {quote_text(channel)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLogin:
    """Where and how a channel logs in to its source."""

    address: Address
    user: str
    password: str = field(repr=False)
    tls: TlsMode = TlsMode.PREFERRED


def connect_channel(version: ServerVersion, channel: str, login: SourceLogin, delay: int) -> str:
    """Make the channel anew, held by `delay` seconds. The statement holds the password: never show or record it.

    A channel has TLS or has it not, so that `preferred` is asked for as none: with it, a source without TLS is not reached.
    """
    tls = login.tls not in (TlsMode.DISABLED, TlsMode.PREFERRED)
    options = {
        "HOST": quote_text(login.address.host),
        "PORT": str(login.address.port),
        "USER": quote_text(login.user),
        "PASSWORD": quote_text(login.password),
        "SSL": str(int(tls)),
        "SSL_VERIFY_SERVER_CERT": str(int(login.tls is TlsMode.VERIFY_IDENTITY)),
        "DELAY": str(delay),
    }
    if version.is_mariadb:
        return change_channel(version, channel, options | {"USE_GTID": "slave_pos"})
    # Without TLS caching_sha2_password needs the source's public key (MySQL manual, "GET_SOURCE_PUBLIC_KEY").
    public_key = (f"GET_{_source(version)}_PUBLIC_KEY = 1",) if version.at_least(8, 0, 4) and not tls else ()
    return change_channel(version, channel, options | {"AUTO_POSITION": "1"}, *public_key)


def change_channel(version: ServerVersion, channel: str, options: Mapping[str, str], *more: str) -> str:
    """CHANGE MASTER or CHANGE REPLICATION SOURCE with these options; their names are given without MASTER_ or SOURCE_."""
    settings = ", ".join((*(f"{_source(version)}_{name} = {value}" for name, value in options.items()), *more))
    if version.is_mariadb:
        return f"CHANGE MASTER {quote_text(channel)} TO {settings}"
    verb = "CHANGE REPLICATION SOURCE TO" if _source(version) == "SOURCE" else "CHANGE MASTER TO"
    return f"{verb} {settings} FOR CHANNEL {quote_text(channel)}"


def _thread_statement(version: ServerVersion, verb: str, channel: str, thread: str) -> str:
    if version.is_mariadb:
        return " ".join(filter(None, (f"{verb} SLAVE {quote_text(channel)}", thread)))
    return " ".join(filter(None, (f"{verb} {_replica(version)}", thread, f"FOR CHANNEL {quote_text(channel)}")))


def _replica(version: ServerVersion) -> str:
    return "REPLICA" if not version.is_mariadb and version.at_least(8, 0, 22) else "SLAVE"


def _source(version: ServerVersion) -> str:
    return "SOURCE" if not version.is_mariadb and version.at_least(8, 0, 23) else "MASTER"

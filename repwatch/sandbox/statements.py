"""The statements that set up replication in a sandbox, and those that wait for it."""

from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Address, Flavour
from repwatch.sql.quoting import quote_text


def attach(flavour: Flavour, channel: str, source: Address, user: str, password: LiteralSecret) -> tuple[str, ...]:
    """Replicate from `source` with GTID, and start. A lost connection is tried again every second, for ever."""
    if flavour is Flavour.MARIADB:
        name = f"{quote_text(channel)} " if channel else ""
        change = (
            f"CHANGE MASTER {name}TO MASTER_HOST = {quote_text(source.host)}, MASTER_PORT = {source.port}, "
            f"MASTER_USER = {quote_text(user)}, MASTER_PASSWORD = {quote_text(password.text)}, "
            "MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1"
        )
        return (change, f"START SLAVE {name}".strip())
    tail = f" FOR CHANNEL {quote_text(channel)}" if channel else ""
    change = (
        f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = {quote_text(source.host)}, SOURCE_PORT = {source.port}, "
        f"SOURCE_USER = {quote_text(user)}, SOURCE_PASSWORD = {quote_text(password.text)}, "
        f"SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400{tail}"
    )
    return (change, f"START REPLICA{tail}")


def position(flavour: Flavour) -> str:
    """The position up to which a server has written its own binary log."""
    return "SELECT @@GLOBAL.gtid_binlog_pos" if flavour is Flavour.MARIADB else "SELECT @@GLOBAL.gtid_executed"


def wait_for(flavour: Flavour, target: str, seconds: float) -> str:
    """Wait until a replica has applied `target`: 0 if it has, else the time is over."""
    function = "MASTER_GTID_WAIT" if flavour is Flavour.MARIADB else "WAIT_FOR_EXECUTED_GTID_SET"
    return f"SELECT {function}({quote_text(target)}, {max(seconds, 0.001):.3f})"


def status(flavour: Flavour) -> str:
    """All channels of a replica."""
    return "SHOW ALL SLAVES STATUS" if flavour is Flavour.MARIADB else "SHOW REPLICA STATUS"


def stop(flavour: Flavour, *, applier: bool) -> str:
    """Stop one of the two threads, on all channels."""
    if flavour is Flavour.MARIADB:
        return f"STOP ALL SLAVES {'SQL_THREAD' if applier else 'IO_THREAD'}"
    return f"STOP REPLICA {'SQL_THREAD' if applier else 'IO_THREAD'}"


def start(flavour: Flavour) -> str:
    """Start both threads of all channels."""
    return "START ALL SLAVES" if flavour is Flavour.MARIADB else "START REPLICA"

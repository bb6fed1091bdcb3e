"""The options of a sandbox server: small, quick, and otherwise as the flavour ships it."""

import os
from pathlib import Path

from repwatch.model.server import Flavour
from repwatch.sandbox.plan import Seat

# Data need not survive a power cut here, only the death of a process; these also hold while a data folder is made.
_STORAGE = {
    Flavour.MARIADB: ("--innodb-log-file-size=32M", "--innodb-flush-method=nosync", "--skip-innodb-doublewrite"),
    Flavour.MYSQL: ("--innodb-redo-log-capacity=64M", "--innodb-flush-method=nosync", "--skip-innodb-doublewrite"),
}
_COMMON = (
    "--bind-address=127.0.0.1",
    "--report-host=127.0.0.1",
    "--skip-name-resolve",
    "--log-bin=binlog",
    "--relay-log=relay",
    "--innodb-buffer-pool-size=64M",
    "--table-open-cache=400",
    "--table-definition-cache=400",
    "--max-connections=120",
)
# A source is set as a source should be (else it has unsafe-settings); MariaDB can be told not to mean it.
_SAFE = ("--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
_COPY = ("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")
_OWN = {
    # Without an option file MariaDB 10.11 still speaks latin1.
    Flavour.MARIADB: (
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_general_ci",
        "--log-slave-updates",
        "--debug-no-sync",
    ),
    Flavour.MYSQL: (
        "--mysqlx=OFF",
        "--gtid-mode=ON",
        "--enforce-gtid-consistency=ON",
        "--performance-schema-digests-size=200",
    ),
}


def storage_options(flavour: Flavour) -> tuple[str, ...]:
    """What must be the same when a data folder is made and when it is used."""
    # The kernel grants all processes together so many asynchronous requests (fs.aio-max-nr) as two dozen servers take.
    return (*_STORAGE[flavour], "--innodb-use-native-aio=OFF", *run_as())


def run_as() -> tuple[str, ...]:
    """Servers refuse to run as root unless told so."""
    return ("--user=root",) if os.geteuid() == 0 else ()


def server_options(flavour: Flavour, seat: Seat, folder: Path, port: int) -> tuple[str, ...]:
    """Everything after the command."""
    return (
        *_COMMON,
        *_OWN[flavour],
        *(_COPY if seat.read_only else _SAFE),
        *storage_options(flavour),
        *((f"--gtid-domain-id={seat.domain}",) if flavour is Flavour.MARIADB else ()),
        f"--datadir={folder / 'data'}",
        f"--tmpdir={folder / 'tmp'}",
        f"--secure-file-priv={folder / 'tmp'}",
        f"--socket={folder / 'sock'}",
        f"--pid-file={folder / 'data' / 'server.pid'}",
        f"--port={port}",
        f"--report-port={port}",
        f"--server-id={seat.server_id}",
        f"--read-only={int(seat.read_only)}",
    )

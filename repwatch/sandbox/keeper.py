"""Keeps one server process: nothing of it outlives the process that wanted it, however that one ends.

Run as a program of its own, `python -I -S keeper.py PIDFILE LOGFILE COMMAND…`, with nothing but the standard library. Standard
input is a pipe from the owner: its end means that the owner is gone (kill -9 included), and the server is killed. Words
on it are signals for the server. If the keeper itself is killed, the kernel kills the server (PR_SET_PDEATHSIG).

Where a file `parked` stands beside PIDFILE when the server ends, it is started again as soon as that file is gone: so a third
party can stop and start the server, as with a service manager.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
# A MySQL server that has a parent which says so exits with this to be started again (RESTART, the end of CLONE):
# MySQL manual, "RESTART Statement".
RESTART_STATUS = 16
PARKED = "parked"


def main(pid_file: str, log_file: str, *command: str) -> int:
    """Run the command until it ends or the owner goes; the exit status."""
    parked = Path(pid_file).with_name(PARKED)
    status = RESTART_STATUS
    while status == RESTART_STATUS:
        with Path(log_file).open("ab") as log:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "MYSQLD_PARENT_PID": str(os.getpid())},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
            )
        _write_whole(Path(pid_file), str(server.pid))
        status = _attend(server)
        if parked.exists():
            status = RESTART_STATUS if _wait_gone(parked) else 0
    return status if status >= 0 else 128 - status


def _write_whole(file: Path, text: str) -> None:
    """Whoever reads the file meanwhile finds the old text or the new one."""
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="ascii")
    draft.replace(file)


def _attend(server: "subprocess.Popen[bytes]") -> int:
    ended = os.pidfd_open(server.pid)
    try:
        while True:
            readable, _, _ = select.select([0, ended], [], [])
            if ended in readable:
                return server.wait()
            words = os.read(0, 4096).split()
            if not words:
                server.kill()
                server.wait()
                return 0
            for word in words:
                server.send_signal(signal.Signals[word.decode("ascii")])
    finally:
        os.close(ended)


def _wait_gone(file: Path) -> bool:
    """False if the owner goes, or says something, before the file does: there is no server to be told."""
    while file.exists():
        if select.select([0], [], [], 0.05)[0]:
            return False
    return True


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

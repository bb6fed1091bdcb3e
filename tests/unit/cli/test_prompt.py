"""A password that nobody gave is asked for on a terminal, unseen."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

SECRET = "geheimes-Wort"


def test_a_password_is_asked_for_and_not_echoed(tmp_path: Path) -> None:
    person, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REPWATCH")}
    command = [sys.executable, "-m", "repwatch", "doctor", "--source", "mysql://u@127.0.0.1:1", "--state", str(tmp_path)]
    with subprocess.Popen(
        command, env=environment, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True, cwd=tmp_path
    ) as child:
        seen = b""
        while b"u on 127.0.0.1:1" not in seen or termios.tcgetattr(terminal)[3] & termios.ECHO:
            seen += os.read(person, 1000) if b"u on 127.0.0.1:1" not in seen else b""
        os.write(person, f"{SECRET}\n".encode())
        out, _ = child.communicate(timeout=120)
    os.set_blocking(person, False)
    seen += os.read(person, 10000)
    os.close(terminal)
    os.close(person)
    assert child.returncode == 1
    assert SECRET.encode() not in seen + out
    assert b"127.0.0.1:1" in out

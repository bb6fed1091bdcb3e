"""Scripts on a machine: what they are fed, what they print, how their failures read, and that none outlives its caller."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from repwatch.adapters.shell import HostShell
from repwatch.errors import HostFailed
from repwatch.model.endpoint import Endpoint, LiteralSecret, TlsMode
from repwatch.model.server import Address
from repwatch.model.topology import HostSpec
from repwatch.ports.shell import NO_SHELL, Job

HERE = HostSpec()
SHELL = HostShell()


def job(script: str, feed: str = "", host: HostSpec = HERE) -> Job:
    return Job(host=host, script=script, feed=feed)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.02)


@pytest.mark.parametrize("feed", ["", "one\ntwo\n", "ü'\"$(exit 1)\\", "x" * 60_000])
def test_a_script_reads_what_it_is_fed_as_often_as_it_likes(feed: str) -> None:
    assert SHELL.run(job("cat /proc/self/fd/3; echo; cat /proc/self/fd/3", feed)) == f"{feed}\n{feed}"


def test_a_script_does_not_begin_on_a_part_of_what_it_was_to_be_fed(tmp_path: Path) -> None:
    """As where the caller is killed before it has written all."""
    begun = tmp_path / "begun"
    cut = HostSpec(shell=("sh", "-c", 'head -c 3 | sh -c "$1"', "cut"))
    with pytest.raises(HostFailed):
        HostShell().run(Job(host=cut, script=f"trap '' TERM; touch {begun}", feed="a longer one"))
    assert not begun.exists()


def test_what_it_is_fed_is_in_no_command_line_and_in_no_file() -> None:
    script = "cat /proc/*/cmdline /proc/self/environ 2>/dev/null | tr '\\0' ' '; readlink /proc/self/fd/3"
    printed = SHELL.run(job(script, "hush-hush"))
    assert "hush-hush" not in printed
    assert printed.rstrip().endswith("(deleted)")


def test_a_failure_says_its_status_and_the_last_words() -> None:
    with pytest.raises(HostFailed) as caught:
        SHELL.run(job("echo first >&2; echo last >&2; exit 7"))
    assert "status 7" in str(caught.value)
    assert "last" in str(caught.value)
    with pytest.raises(HostFailed):
        SHELL.run(job("echo", host=HostSpec(shell=("/no/such/program",))))
    with pytest.raises(HostFailed):
        NO_SHELL.run(job("echo"))


def test_a_script_that_lasts_too_long_is_ended(tmp_path: Path) -> None:
    script, pid = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 1000", tmp_path / "pid"
    for seconds in (1.0, 10.0, 60.0):
        with pytest.raises(HostFailed):
            SHELL.run(Job(host=HERE, script=script, seconds=seconds))
        if pid.exists():  # a busy machine may not even begin it in so short a time
            break
    number = pid.read_text(encoding="ascii").strip()
    until(lambda: not Path(f"/proc/{number}").exists())


def test_a_script_has_no_standard_input_of_ours() -> None:
    assert SHELL.run(job("cat; echo end")) == "end\n"


def test_another_machine_gets_the_script_as_one_argument() -> None:
    far = HostSpec(shell=("env", "WHERE=far", "sh", "-c"))
    assert SHELL.run(job("echo \"$WHERE 'and' $0\"", host=far)) == "far 'and' sh\n"


def test_a_daemon_that_is_left_behind_is_not_killed_at_the_end(tmp_path: Path) -> None:
    SHELL.run(job(f"(sleep 600 >/dev/null 2>&1 & echo $! >{tmp_path}/pid)"))
    pid = int((tmp_path / "pid").read_text())
    assert "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    subprocess.run(["kill", str(pid)], check=True)


def test_bytes_pass_whole_and_are_counted(tmp_path: Path) -> None:
    told: list[int] = []
    size = 5_000_000
    passed = SHELL.pipe(job(f"head -c {size} /dev/urandom | tee {tmp_path}/sent"), job(f"cat >{tmp_path}/got"), told.append)
    assert passed == size
    assert (tmp_path / "sent").read_bytes() == (tmp_path / "got").read_bytes()
    assert all(count <= size for count in told)


@pytest.mark.parametrize(
    ("giver", "taker", "word"),
    [
        ("echo some; echo trouble >&2; exit 3", "cat >/dev/null", "trouble"),
        ("cat /dev/zero", "echo full >&2; exit 1", "full"),
        ("cat /dev/zero", "exit 0", "end"),
        ("echo some", "cat >/dev/null; echo late >&2; exit 1", "late"),
    ],
)
def test_either_end_that_fails_is_told(giver: str, taker: str, word: str) -> None:
    with pytest.raises(HostFailed, match=word):
        SHELL.pipe(job(giver), job(taker), lambda _: None)


CALLER = """
import sys
from repwatch.adapters.shell import HostShell
from repwatch.model.topology import HostSpec
from repwatch.ports.shell import Job
def job(script): return Job(host=HostSpec(), script=script)
if sys.argv[1] == "run":
    HostShell().run(job(sys.argv[2]))
else:
    HostShell().pipe(job(sys.argv[2]), job("cat >/dev/null"), lambda _: None)
"""


@pytest.mark.parametrize("way", ["run", "pipe"])
def test_no_script_outlives_a_killed_caller(tmp_path: Path, way: str) -> None:
    script = f"sleep 600 & echo $! $$ >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/pids; wait"
    caller = subprocess.Popen([sys.executable, "-c", CALLER, way, script])
    until((tmp_path / "pids").exists)
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    for pid in (tmp_path / "pids").read_text().split():
        until(lambda pid=pid: not Path(f"/proc/{pid}/cwd").exists())  # type: ignore[misc]  # as of now


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("giver", "taker"),
    [
        ("yes", "exec sleep 1000"),  # nothing is taken
        ("echo all", "cat >/dev/null; exec sleep 1000"),  # all is taken, and the end does not come
        ("echo all; exec >&-; exec sleep 1000", "exec cat >/dev/null"),
    ],
)
def test_an_end_that_stands_still_is_given_up(giver: str, taker: str) -> None:
    """A machine that hangs, or a network that is cut, says nothing."""
    with pytest.raises(HostFailed):
        HostShell(silent=1.0).pipe(job(giver), job(taker), lambda _: None)


def test_a_login_is_an_option_file() -> None:
    def login(address: Address, tls: TlsMode = TlsMode.PREFERRED) -> str:
        return SHELL.login(Endpoint(address, "op", LiteralSecret('a"b\\c#'), tls))

    assert login(Address("db1", 3307)).splitlines() == [
        "[mariadb-backup]",
        'user="op"',
        'password="a\\"b\\\\c#"',
        "protocol=tcp",
        'host="db1"',
        "port=3307",
        "loose-skip-ssl-verify-server-cert",
    ]
    assert 'socket="/run/s"' in login(Address("localhost", 3306, "/run/s"))
    assert login(Address("db1"), TlsMode.REQUIRED).splitlines()[-1] == "ssl"

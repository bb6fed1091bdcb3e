"""The option file reader against `my_print_defaults`, which is what the clients themselves read with."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from repwatch.app.option_file import GROUPS, option_lines, read_options
from repwatch.errors import UsageError

WORDS = ["user", "password", "host", "port", "ssl-ca", "ssl_mode", "init-command", "x"]
NAMES = st.sampled_from(WORDS)
CHARACTERS = st.sampled_from(list("abcXYZ012 \t=;#\\\"'!$%&/()[]{}<>|~.,:-_+*?äß€ntrbs"))
ESCAPES = st.sampled_from([rf"\{char}" for char in "ntrbs\"'\\#xq"])
VALUES = st.lists(CHARACTERS | ESCAPES, max_size=10).map("".join)
QUOTED = st.builds(lambda text, quote: f"{quote}{text}{quote}", VALUES, st.sampled_from("\"'"))
SPACE = st.sampled_from(["", " ", "  ", "\t"])
OPTION = st.builds("{}{}{}={}{}{}".format, SPACE, NAMES, SPACE, SPACE, VALUES | QUOTED, SPACE)
LINES = st.one_of(
    OPTION,
    OPTION,
    OPTION,
    st.builds("{}{}".format, SPACE, NAMES),
    st.sampled_from(["", "# a comment", "; another", "  # indented", "[client]", " [client] ", "[client_repwatch]", "[mysqld]"]),
)


def print_defaults(path: Path) -> list[str]:
    program = shutil.which("my_print_defaults")
    assert program, "my_print_defaults belongs to mariadb-client"
    done = subprocess.run([program, f"--defaults-file={path}", *GROUPS], capture_output=True, check=True, timeout=60)
    # An option begins a line with -- and its name; a line that does not is the rest of a value with a newline in it.
    text = done.stdout.decode("utf-8").removesuffix("\n")
    return re.split(rf"\n(?=--(?:{'|'.join(WORDS)})(?:=|\n|$))", text) if text else []


def ours(path: Path) -> list[str]:
    return [f"--{name}" if value is None else f"--{name}={value}" for name, value in option_lines(path)]


def dashed(lines: list[str]) -> list[str]:
    """With dashes in the name, as a client reads it."""
    return [name.replace("_", "-") + equals + value for name, equals, value in (line.partition("=") for line in lines)]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=st.lists(LINES, max_size=12))
@example(lines=["user=\\n--"])
def test_files_are_read_as_the_clients_read_them(tmp_path: Path, lines: list[str]) -> None:
    """Invariant: the same options with the same values in the same order as my_print_defaults."""
    path = tmp_path / "my.cnf"
    path.write_text("\n".join(["[client]", *lines]) + "\n", encoding="utf-8")
    assert ours(path) == dashed(print_defaults(path))


def test_included_files_stand_where_they_are_included(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "b.cnf").write_text("[client]\nport=2\n")
    (folder / "a.cnf").write_text("[client_repwatch]\nport=1\nhost=a\n")
    (folder / "not-read.txt").write_text("[client]\nhost=no\n")
    (tmp_path / "one.cnf").write_text("[client]\nuser=one\n[mysqld]\nport=9\n")
    path = tmp_path / "my.cnf"
    path.write_text(f"[client]\nuser=zero\n!include {tmp_path / 'one.cnf'}\n!includedir {folder}\npassword=p\n")
    assert ours(path) == print_defaults(path)
    assert read_options(path) == {"user": "one", "port": "2", "host": "a", "password": "p"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("user=geheim\n", "line 1"),
        ("\n[client\nuser=geheim\n", "line 2"),
        ("[client]\n!import geheim\n", "line 2"),
        ("[client]\n!includedir /does/not/exist\n", "line 2"),
        ("[client]\n!include /does/not/exist\n", "/does/not/exist"),
    ],
)
def test_a_broken_file_is_told_by_its_line_and_not_by_its_content(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "my.cnf"
    path.write_text(text)
    with pytest.raises(UsageError) as refusal:
        read_options(path)
    assert line in str(refusal.value)
    assert "geheim" not in str(refusal.value)


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    path = tmp_path / "my.cnf"
    path.write_text(f"[client]\n!include {path}\n")
    with pytest.raises(UsageError, match="include each other"):
        read_options(path)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my.cnf"
    path.write_text("[client]\nuser=u\n")
    path.chmod(0o666)
    with pytest.raises(UsageError, match="writable by everybody"):
        read_options(path)

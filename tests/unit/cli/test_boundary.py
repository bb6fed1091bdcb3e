"""Whatever happens, one message, the right exit status, and no secret."""

import errno
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from repwatch.adapters.secrets import redact, reveal
from repwatch.cli.boundary import guard
from repwatch.errors import ConfigError, Interrupted, RepwatchError, Unreachable
from repwatch.model.endpoint import LiteralSecret

SECRET = "geheimes-Wort"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """State of its own, and the process as it was afterwards."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path / "repwatch"
    for number, handler in before.items():
        signal.signal(number, handler)


def raising(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "of_status"),
    [
        (RepwatchError("x"), 2, 3),
        (ConfigError(["x", "y"]), 2, 3),
        (Unreachable("x", server="h:1"), 2, 3),
        (click.UsageError("x"), 2, 3),
        (click.Abort(), 130, 130),
        (KeyboardInterrupt(), 130, 130),
        (Interrupted(signal.SIGTERM), 143, 143),
        (ValueError("x"), 2, 3),
        (OSError(errno.ENOSPC, "No space left on device"), 2, 3),
    ],
)
def test_each_end_has_its_exit_status(
    error: BaseException, status: int, of_status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repwatch.cli.boundary._drop_output", lambda: None)
    assert guard("drift", raising(error)) == status
    assert guard("status", raising(error)) == of_status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err
    assert "Traceback" not in captured.err


def test_what_a_verb_returns_is_the_status() -> None:
    assert [guard("drift", lambda: 1), guard("drift", lambda: None), guard("run", lambda: 0)] == [1, 0, 0]


def test_an_internal_error_is_written_down_without_secrets(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["repwatch", "doctor", "--source", "mysql://u:p@ss@h"])
    reveal(LiteralSecret(SECRET))
    assert guard("doctor", raising(ValueError(f"cannot use {SECRET}"))) == 2
    (record,) = (state / "errors").iterdir()
    said = capsys.readouterr().err
    assert str(record) in said
    assert record.stat().st_mode & 0o077 == 0
    text = record.read_text()
    assert "ValueError: cannot use ***" in text
    assert "mysql://u:***@h" in text
    assert SECRET not in text + said


def test_an_internal_error_that_cannot_be_written_down_is_told_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    assert guard("doctor", raising(ValueError("x"))) == 2
    assert "could not be written" in capsys.readouterr().err


def test_an_error_in_a_thread_is_told_in_one_line(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        thread = threading.Thread(target=raising(ValueError("x")), name="worker")
        thread.start()
        thread.join()

    assert guard("drift", work) == 0
    said = capsys.readouterr().err
    assert "worker" in said
    assert "Traceback" not in said
    assert len(list((state / "errors").iterdir())) == 1


def test_messages_lose_the_secrets_they_would_show(capsys: pytest.CaptureFixture[str]) -> None:
    reveal(LiteralSecret(SECRET))
    error = RepwatchError(f"near {SECRET!r} in mysql://u:pa/ss@h:1", hint=f"not {SECRET}")
    assert guard("drift", raising(error)) == 2
    said = capsys.readouterr().err
    assert SECRET not in said
    assert "pa/ss" not in said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://u:p@h", "mysql://u:***@h"),
        ("postgresql+psycopg://u:a@b@h/x", "postgresql+psycopg://u:***@h/x"),
        ("mysql://u@h", "mysql://u@h"),
        ("the form is mysql://user:password@host:port", "the form is mysql://user:password@host:port"),
    ],
)
def test_a_password_in_a_url_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown

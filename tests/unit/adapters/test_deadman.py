"""The sign of life is given, its trouble is logged once and without the address, and nothing is ever raised."""

import logging
import socket

import pytest

from repwatch.adapters import deadman
from repwatch.adapters.deadman import DeadMan
from repwatch.model.endpoint import EnvSecret, LiteralSecret
from repwatch.sandbox.standins import Misbehaviour
from repwatch.sandbox.standins_webhook import WebhookCatcher


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may take longer on a busy machine."""
    monkeypatch.setattr(deadman, "SECONDS", 60.0)


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What it has logged; a thread of another test may log beside it."""
    return [record for record in caplog.records if record.name == "repwatch.deadman"]


def test_it_calls() -> None:
    with WebhookCatcher() as hook:
        DeadMan(LiteralSecret(hook.url))()
        assert len(hook.posts) == 1


def test_trouble_is_logged_when_it_changes_and_hides_the_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        silent = DeadMan(LiteralSecret(f"http://127.0.0.1:{taken.getsockname()[1]}/s3cr3t-path"))
        silent()
        silent()
    assert len(told(caplog)) == 1
    assert "s3cr3t" not in caplog.text


def test_it_recovers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with WebhookCatcher() as hook:
        caller = DeadMan(LiteralSecret(hook.url))
        hook.misbehave(Misbehaviour(status=500))
        caller()
        hook.misbehave()
        caller()
        caller()
    assert [record.levelname for record in told(caplog)] == ["WARNING", "WARNING"]


@pytest.mark.parametrize("url", [EnvSecret("REPWATCH_NOT_SET_ANYWHERE"), LiteralSecret("file:///etc/passwd"), LiteralSecret("")])
def test_what_cannot_be_called_is_no_crash(url: EnvSecret | LiteralSecret) -> None:
    DeadMan(url)()

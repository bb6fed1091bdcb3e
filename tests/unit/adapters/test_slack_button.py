"""The button in Slack over a real WebSocket: pressed once it is obeyed once, and nothing said there ends the listening."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.adapters import slack_button
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.notifiers import build
from repwatch.adapters.slack_button import PATIENCE, Hearing, SlackButton, disconnected, presses
from repwatch.errors import StoreError, UsageError
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.finding import Finding, Subject
from repwatch.model.notice import NoticeEvent
from repwatch.model.settings import Receiver, SlackReceiver
from repwatch.render.notice_slack import ACKNOWLEDGE, MAX_JSON, root
from repwatch.sandbox.standins_slack import SlackStandIn, checked_blocks
from tests.unit.adapters.benches import SECRETS, TOKEN, notice
from tests.unit.watch.handclock import HandClock

APP = "xapp-very-secret"


@dataclass
class Desk:
    """Takes acknowledgements, and refuses as told."""

    refusals: list[Exception] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)

    def acknowledge(self, key: str, author: str) -> str:
        self.taken.append((key, author))
        if self.refusals:
            raise self.refusals.pop(0)
        return author


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(token=SECRETS[0], app_token=APP) as server:
        yield server


@pytest.fixture
def desk() -> Desk:
    return Desk()


@dataclass
class Board:
    """Findings that stand (`ports.store.Standing`); a full disk takes none."""

    full: bool = False
    findings: dict[Subject, Finding] = field(default_factory=dict)

    def set_standing(self, finding: Finding) -> None:
        if self.full:
            raise StoreError("full")
        self.findings[finding.subject] = finding

    def clear_standing(self, subject: Subject) -> None:
        if self.full:
            raise StoreError("full")
        self.findings.pop(subject, None)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def listen(slack: SlackStandIn, desk: Desk, board: Board) -> Iterator[Callable[[str], None]]:
    stop, threads = threading.Event(), []

    def begin(token: str) -> None:
        hearing = Hearing("oncall/slack", board, SystemClock())
        button = SlackButton(LiteralSecret(token), slack.api_url, desk.acknowledge, hearing)
        threads.append(threading.Thread(target=button.run, args=(stop,)))
        threads[-1].start()

    yield begin
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(slack: SlackStandIn) -> None:
    channel = SlackReceiver(channel="#db-alerts", token=TOKEN, api_url=slack.api_url, app_token=LiteralSecret(APP))
    build(Receiver(name="oncall", channel=channel)).send(notice(), {})


def test_who_presses_has_it(slack: SlackStandIn, desk: Desk, listen: Callable[[str], None]) -> None:
    listen(APP)
    assert slack.socket is not None
    assert slack.socket.wait_for_client(60)
    told(slack)
    for error in (None, UsageError("no incident is open"), StoreError("locked"), None):
        desk.refusals = [error] if error else []
        before = len(desk.taken)
        slack.press(slack.roots[0], "ann")
        until(lambda before=before: len(desk.taken) == before + 1)  # type: ignore[misc]
    assert set(desk.taken) == {(notice().subject.key, "ann (Slack)")}
    until(lambda: len(slack.socket.answers if slack.socket else ()) == 4)
    assert {answer["envelope_id"] for answer in slack.socket.answers} == {f"press-{slack.roots[0].ts}"}


def test_a_lost_connection_is_made_anew(slack: SlackStandIn, desk: Desk, listen: Callable[[str], None]) -> None:
    listen(APP)
    assert slack.socket is not None
    assert slack.socket.wait_for_client(60)
    told(slack)
    slack.socket.hang_up()
    assert slack.socket.wait_for_client(60)
    slack.press(slack.roots[0], "bob")
    until(lambda: desk.taken == [(notice().subject.key, "bob (Slack)")])


def test_a_wrong_token_is_tried_again_and_not_shown(
    slack: SlackStandIn, listen: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        listen("xapp-wrong-secret")
        until(lambda: len(caplog.records) >= 2)
    assert "secret" not in caplog.text


def test_where_nobody_hears_it_is_a_finding_until_somebody_does(
    slack: SlackStandIn, board: Board, listen: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_button, "PATIENCE", 0.0)
    listen("xapp-wrong-secret")
    until(lambda: set(board.findings) == {disconnected("oncall/slack")})
    assert "secret" not in str(board.findings)
    listen(APP)
    until(lambda: not board.findings)


def test_a_connection_that_is_back_in_time_is_no_finding(board: Board) -> None:
    clock = HandClock()
    hearing = Hearing("r", board, clock)
    for connected in (True, *[False] * 5, True, *[False] * 5, True):
        clock.sleep(10)
        hearing.note(connected=connected)
        assert not board.findings
    for _ in range(7):
        clock.sleep(10)
        hearing.note(connected=False)
    assert set(board.findings) == {disconnected("r")}
    hearing.note(connected=True)
    assert not board.findings


def test_what_cannot_be_written_is_told_later(board: Board) -> None:
    clock = HandClock()
    hearing = Hearing("r", board, clock)
    hearing.note(connected=False)
    board.full = True
    clock.sleep(PATIENCE)
    hearing.note(connected=False)
    board.full = False
    hearing.note(connected=False)
    assert board.findings
    board.full = True
    hearing.note(connected=True)
    board.full = False
    hearing.note(connected=True)
    assert not board.findings


def test_what_stands_from_before_a_start_ends_with_the_first_connection(board: Board) -> None:
    clock = HandClock()
    before = Hearing("r", board, clock)
    before.note(connected=False)
    clock.sleep(PATIENCE)
    before.note(connected=False)
    after = Hearing("r", board, clock)
    after.note(connected=False)
    assert board.findings
    after.note(connected=True)
    assert not board.findings


PRESS = {"action_id": ACKNOWLEDGE, "value": "k"}


@pytest.mark.parametrize(
    ("user", "actions", "found"),
    [
        ({"username": "ann"}, [PRESS], [("k", "ann (Slack)")]),
        ({"id": "U1", "name": "a\nb"}, [PRESS], [("k", "a b (Slack)")]),
        ({}, [PRESS], [("k", "somebody (Slack)")]),
        ({"id": "U1"}, [PRESS | {"action_id": "other"}], []),
        ({"id": "U1"}, [PRESS | {"value": 7}, None], []),
        ("ann", [PRESS], []),
        ({"id": "U1"}, {}, []),
        (None, None, []),
    ],
)
def test_what_slack_sends(user: object, actions: object, found: list[tuple[str, str]]) -> None:
    payload = {"type": "block_actions", "user": user, "actions": actions}
    assert list(presses(payload)) == found
    assert list(presses(payload | {"type": "view_submission"})) == []
    assert list(presses({})) == []


def has_button(**changes: object) -> bool:
    return any(block["type"] == "actions" for block in root(replace(notice(), **changes), button=True).blocks)  # type: ignore[arg-type]


def test_a_button_while_nobody_has_it() -> None:
    assert has_button()
    assert has_button(event=NoticeEvent.REMINDER)
    assert not has_button(event=NoticeEvent.RESOLVED)
    assert not has_button(evidence={"acknowledged_by": "ann"})
    assert not has_button(subject=replace(notice().subject, channel="x" * 2000))
    assert not any(block["type"] == "actions" for block in root(notice()).blocks)


@given(st.text(max_size=300), st.text(max_size=3000))
def test_a_message_with_a_button_fits(channel: str, text: str) -> None:
    message = root(
        replace(notice(), subject=replace(notice().subject, channel=channel), meaning=text, remedy=text * 3), button=True
    )
    assert message.size <= MAX_JSON
    checked_blocks(message.payload())

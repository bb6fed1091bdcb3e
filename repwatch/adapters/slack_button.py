"""The button that acknowledges an incident in Slack: presses arrive over Socket Mode, a connection that this end opens.

Slack sends a press once; one that comes while nobody is connected is lost, and the person sees that the message does not change.
So a connection that stays away for a minute is a finding: Slack itself ends each one after some hours, and it is back in seconds.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from repwatch.adapters.http_post import proxies
from repwatch.adapters.secrets import reveal
from repwatch.adapters.slack import API_URL
from repwatch.errors import StoreError, UsageError
from repwatch.model.endpoint import SecretSource
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.pause import Pauses
from repwatch.ports.clock import Clock
from repwatch.ports.store import Standing
from repwatch.render.notice_slack import ACKNOWLEDGE
from repwatch.render.notice_text import cut, one_line

log = logging.getLogger("repwatch.slack")
# The client logs URLs with tickets in them.
_QUIET = logging.getLogger("repwatch.slack_sdk.socket")
_QUIET.propagate = False
_QUIET.addHandler(logging.NullHandler())
_QUIET.setLevel(logging.CRITICAL)

PAUSES = Pauses(first=1.0, longest=60.0)
PATIENCE = 60.0  # seconds without a connection
CALL_SECONDS = 10
LOOK_SECONDS = 10.0
Acknowledge = Callable[[str, str], str]
"""Takes an incident's key and who acknowledges it; who has. Raises UsageError, StoreError."""


def disconnected(receiver: str) -> Subject:
    """The subject of the finding that nobody hears when the button is pressed in that receiver's messages."""
    return Subject("", "", receiver, FindingCode.BUTTON_DISCONNECTED)


@dataclass(slots=True)
class Hearing:
    """Whether somebody hears the presses in a receiver's messages, told as a finding. For one thread."""

    receiver: str
    standing: Standing
    clock: Clock
    problem: str = "the connection was lost"
    _heard: float | None = None  # monotonic; when it last was so, or the beginning
    _told: bool | None = None  # what the store says; None: whatever it said before this start

    def note(self, connected: bool) -> None:
        """How it is now. What cannot be written now is tried again with the next note."""
        now = self.clock.monotonic()
        if connected or self._heard is None:
            self._heard = now
        absent = not connected and now - self._heard >= PATIENCE
        if absent is self._told or not (absent or connected):
            return
        try:
            if absent:
                self.standing.set_standing(_finding(self.receiver, self.problem))
            else:
                self.standing.clear_standing(disconnected(self.receiver))
        except StoreError as error:
            log.warning("slack.button: %s", error)
        else:
            self._told = absent


class SlackButton:
    """Listens for one app. `run` belongs to a thread of its own."""

    def __init__(self, app_token: SecretSource, api_url: str, acknowledge: Acknowledge, hearing: Hearing) -> None:
        self._app_token = app_token
        self._api_url = api_url or API_URL
        self._acknowledge = acknowledge
        self._hearing = hearing

    def run(self, stop: threading.Event) -> None:
        """Connect, as often as it takes; then listen until told to stop. A connection that is lost is made anew."""
        failures = 0
        while (client := self._connected()) is None:
            failures += 1
            self._hearing.note(connected=False)
            if stop.wait(PAUSES.after(failures)):
                return
        self._watch(client, stop)
        # It waits for seconds for its own threads, which hold up no exit.
        threading.Thread(target=client.close, name="slack-close", daemon=True).start()

    def _watch(self, client: SocketModeClient, stop: threading.Event) -> None:
        listening = True
        log.info("slack.listening")
        self._hearing.problem = "the connection was lost"
        self._hearing.note(connected=True)
        while not stop.wait(LOOK_SECONDS):
            if client.is_connected() != listening:
                listening = not listening
                if listening:
                    log.info("slack.listening")
                else:
                    log.warning("slack.button has lost its connection: presses are lost until it is back")
            self._hearing.note(connected=listening)

    def _connected(self) -> SocketModeClient | None:
        client: SocketModeClient | None = None
        try:
            token = reveal(self._app_token)
            web = WebClient(base_url=self._api_url, timeout=CALL_SECONDS, logger=_QUIET, retry_handlers=[])
            web.proxy = proxies(self._api_url).get(urlsplit(self._api_url).scheme)
            client = SocketModeClient(token, logger=_QUIET, web_client=web, concurrency=1, proxy=web.proxy)
            client.socket_mode_request_listeners.append(self._take)
            client.connect()
        except Exception as error:  # noqa: BLE001 - it would end the thread, and no press would count any more
            told = str(error) if isinstance(error, UsageError) else type(error).__name__
            log.warning("slack.button cannot connect: %s", told)
            self._hearing.problem = told
        if client is not None and not client.is_connected():
            client.close()
            return None
        return client

    def _take(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))  # within three seconds
        if request.type != "interactive":
            return
        for key, name in presses(request.payload):
            try:
                log.info("slack.acknowledged key=%s by=%s", key, self._acknowledge(key, name))
            except (UsageError, StoreError) as error:
                log.warning("slack.acknowledge key=%s by=%s: %s", key, name, error)


def presses(payload: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Key and person of each press of the button in what Slack sent."""
    user, actions = payload.get("user"), payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(user, dict) or not isinstance(actions, list):
        return
    name = next((text for key in ("username", "name", "id") if isinstance(text := user.get(key), str) and text.strip()), "")
    for action in actions:
        if isinstance(action, dict) and action.get("action_id") == ACKNOWLEDGE and isinstance(key := action.get("value"), str):
            yield key, cut(one_line(f"{name or 'somebody'} (Slack)"), 200)


def _finding(receiver: str, problem: str) -> Finding:
    return Finding(
        subject=disconnected(receiver),
        severity=Severity.WARNING,
        summary=f"nobody hears when the button is pressed in the messages of {receiver}: {problem}",
        meaning="Notices arrive, but the connection over which Slack tells who pressed *Acknowledge* has been away for a minute"
        " or longer. A press is lost, and the message does not change.",
        remedy="Acknowledge with `repwatch ack KEY` meanwhile. See whether this machine reaches Slack"
        " (also `wss-primary.slack.com`), whether the app's token holds, and whether *Socket Mode* is switched on in the app."
        " It is tried again every minute.",
        evidence={"receiver": receiver, "problem": problem},
    )

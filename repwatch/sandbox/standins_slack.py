"""A stand-in for Slack: `chat.postMessage`, `chat.update`, `auth.test`, an incoming webhook, and Slack's limits on messages."""

import hmac
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from repwatch.sandbox.standins import Catch, HttpStandIn, Misbehaviour, Request, Response
from repwatch.sandbox.standins_socket import SocketStandIn

_MAX_JSON = 13_200
_MAX_BLOCKS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackPost:
    """One message as it now stands. `edits` counts its updates; `webhook` tells what came by the incoming webhook."""

    channel: str
    ts: str
    text: str
    blocks: tuple[Mapping[str, object], ...]
    metadata: Mapping[str, object]
    thread_ts: str = ""
    broadcast: bool = False
    edits: int = 0
    webhook: bool = False

    @property
    def shown(self) -> str:
        """All that a reader sees, as one text for searching."""
        return "\n".join([self.text, *_texts(list(self.blocks))])


class SlackError(Exception):
    """Slack's name for what is wrong with a request."""


class _Pace:
    """Lets through so many calls at once and then one each `seconds`."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst, self._seconds = burst, seconds
        self._left, self._at = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Whether one more may pass."""
        with self._lock:
            now = time.monotonic()
            self._left, self._at = min(self._burst, self._left + (now - self._at) / self._seconds), now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class SlackStandIn(HttpStandIn):
    """One workspace. Any `#name` is a channel of it, save those in `missing`; the app is a member everywhere."""

    def __init__(
        self,
        *,
        token: str = "xoxb-stand-in",
        app_token: str = "",
        missing: Sequence[str] = (),
        limited: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With an `app_token` buttons can be pressed; `limited`: too many calls are answered 429 (Slack, *Rate limits*)."""
        # A message a second, "short bursts >1 allowed"; updates are Tier 3, 50 a minute.
        self._paces = {"/api/chat.postMessage": _Pace(3, 1.0), "/api/chat.update": _Pace(20, 1.2)} if limited else {}
        self.limitations = 0
        self.token = token
        self._app_token = app_token
        self.socket = SocketStandIn() if app_token else None
        self._missing = frozenset(missing)
        self._numbers = itertools.count(1)
        self._channels: dict[str, str] = {}
        self._caught: Catch[SlackPost] = Catch()
        super().__init__(tls=tls)

    @property
    def api_url(self) -> str:
        """For `api_url` of a receiver."""
        return f"{self.origin}/api/"

    @property
    def webhook_url(self) -> str:
        """An incoming webhook into `#webhook`; its path stands for a secret."""
        return f"{self.origin}/services/T0STANDIN/B0STANDIN/webhook-path-secret"

    @property
    def posts(self) -> tuple[SlackPost, ...]:
        """Every message as it stands, oldest first."""
        return self._caught.items

    @property
    def roots(self) -> tuple[SlackPost, ...]:
        """The messages that stand in a channel themselves."""
        return tuple(post for post in self.posts if not post.thread_ts)

    def replies(self, root: SlackPost) -> tuple[SlackPost, ...]:
        """What stands in a message's thread."""
        return tuple(post for post in self.posts if post.thread_ts == root.ts)

    def press(self, post: SlackPost, user: str) -> None:
        """As a person would who presses the first button of a message."""
        assert self.socket is not None
        (button,) = (part for block in post.blocks if block.get("type") == "actions" for part in _parts(block))
        action = {"type": "button", "action_id": button["action_id"], "value": button["value"]}
        payload = {"type": "block_actions", "user": {"id": "U1", "username": user}, "actions": [action]}
        self.socket.send({"type": "interactive", "envelope_id": f"press-{post.ts}", "payload": payload})

    def close(self) -> None:
        """Stop everything."""
        super().close()
        if self.socket is not None:
            self.socket.close()

    def delete(self, ts: str) -> None:
        """As a person would who tidies up."""
        with self._caught.changing() as posts:
            posts[:] = [post for post in posts if post.ts != ts]

    def wait_for(self, predicate: Callable[[tuple[SlackPost, ...]], bool], seconds: float) -> bool:
        """True as soon as the predicate holds of the messages as they stand."""
        return self._caught.wait_for(predicate, seconds)

    def respond(self, request: Request) -> Response:
        """Serve one call."""
        method = request.path.partition("?")[0]
        if method.startswith("/services/"):
            return (
                self._webhook(request)
                if request.path == self.webhook_url.removeprefix(self.origin)
                else _plain(404, "no_service")
            )
        if method in self._paces and not self._paces[method].admits():
            self.limitations += 1
            return replace(_json({"ok": False, "error": "ratelimited"}), status=429, headers={"Retry-After": "1"})
        calls = {"/api/chat.postMessage": self._post, "/api/chat.update": self._update, "/api/auth.test": self._auth_test}
        if method == "/api/apps.connections.open" and self.socket is not None:
            known = request.headers.get("authorization") == f"Bearer {self._app_token}"
            return _json({"ok": True, "url": self.socket.url} if known else {"ok": False, "error": "invalid_auth"})
        if method not in calls:
            return _json({"ok": False, "error": "unknown_method"})
        try:
            self._check_token(request.headers.get("authorization", ""))
            return _json({"ok": True, **calls[method](_decoded(request))})
        except SlackError as error:
            return _json({"ok": False, "error": str(error)})

    def failure(self, misbehaviour: Misbehaviour) -> Response:
        """With `error`, Slack's way of failing: status 200 and `ok: false`."""
        if misbehaviour.error:
            return _json({"ok": False, "error": misbehaviour.error}, misbehaviour)
        return super().failure(misbehaviour)

    def _check_token(self, authorization: str) -> None:
        if not authorization:
            raise SlackError("not_authed")
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            raise SlackError("invalid_auth")

    def _auth_test(self, call: Mapping[str, object]) -> Mapping[str, object]:
        return {"team": "stand-in", "user": "repwatch"}

    def _post(self, call: Mapping[str, object], webhook: bool = False) -> Mapping[str, object]:
        channel = self._channel_id(str(call.get("channel", "")))
        blocks, thread_ts = checked_blocks(call), str(call.get("thread_ts") or "")
        metadata = call.get("metadata")
        with self._caught.changing() as posts:
            if thread_ts and not any(post.ts == thread_ts and post.channel == channel for post in posts):
                raise SlackError("thread_not_found")
            ts = f"1700000000.{next(self._numbers):06d}"
            post = SlackPost(
                channel=channel,
                ts=ts,
                text=str(call.get("text", "")),
                blocks=blocks,
                metadata=metadata if isinstance(metadata, dict) else {},
                thread_ts=thread_ts,
                broadcast=bool(call.get("reply_broadcast")),
                webhook=webhook,
            )
            posts.append(post)
        return {"channel": channel, "ts": ts}

    def _update(self, call: Mapping[str, object]) -> Mapping[str, object]:
        channel, ts, blocks = str(call.get("channel")), str(call.get("ts")), checked_blocks(call)
        if channel not in self._channels.values():  # unlike posting, updating wants the channel's id
            raise SlackError("channel_not_found")
        with self._caught.changing() as posts:
            for index, post in enumerate(posts):
                if post.ts == ts and post.channel == channel:
                    posts[index] = replace(post, text=str(call.get("text", "")), blocks=blocks, edits=post.edits + 1)
                    return {"channel": channel, "ts": ts}
        raise SlackError("message_not_found")

    def _webhook(self, request: Request) -> Response:
        try:
            self._post({**_decoded(request), "channel": "#webhook"}, webhook=True)
        except SlackError as error:
            return _plain(400, str(error))
        return _plain(200, "ok")

    def _channel_id(self, channel: str) -> str:
        if channel in self._channels.values():
            return channel
        if not channel.startswith("#") or channel in self._missing:
            raise SlackError("channel_not_found")
        return self._channels.setdefault(channel, f"C{len(self._channels):08d}")


def checked_blocks(call: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
    """The call's blocks. Raises SlackError as Slack would answer; lengths are counted in UTF-16 units."""
    blocks = call.get("blocks") or []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    if not blocks and not call.get("text"):
        raise SlackError("no_text")
    if len(json.dumps(blocks)) > _MAX_JSON:
        raise SlackError("msg_blocks_too_long")
    if len(blocks) > _MAX_BLOCKS or not all(_is_valid(block) for block in blocks):
        raise SlackError("invalid_blocks")
    return tuple(blocks)


def _is_valid(block: Mapping[str, object]) -> bool:
    match block.get("type"):
        case "header":
            return _text_within(block.get("text"), 150, {"plain_text"})
        case "section":
            has_fields = "fields" in block
            text_is_good = _text_within(block["text"], 3000, {"mrkdwn", "plain_text"}) if "text" in block else has_fields
            return text_is_good and (not has_fields or _all_within(block["fields"], 2000))
        case "context":
            return _all_within(block.get("elements"), 2000)
        case "actions":
            return 0 < len(_parts(block)) <= 25 and all(map(_is_button, _parts(block)))
        case "rich_text":
            return bool(block.get("elements")) and all(_texts([block]))
        case kind:
            return kind == "divider"


def _parts(block: Mapping[str, object]) -> list[Mapping[str, object]]:
    elements = block.get("elements")
    return [part for part in elements if isinstance(part, dict)] if isinstance(elements, list) else []


def _is_button(part: Mapping[str, object]) -> bool:
    value, action = part.get("value"), part.get("action_id")
    short = isinstance(value, str) and len(value) <= 2000 and isinstance(action, str) and len(action) <= 255
    return part.get("type") == "button" and short and _text_within(part.get("text"), 75, {"plain_text"})


def _all_within(texts: object, limit: int) -> bool:
    """One to ten texts, as a section's fields and a context's elements must be."""
    return (
        isinstance(texts, list)
        and 0 < len(texts) <= 10
        and all(_text_within(one, limit, {"mrkdwn", "plain_text"}) for one in texts)
    )


def _text_within(text: object, limit: int, kinds: set[str]) -> bool:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        return False
    return 0 < len(text["text"].encode("utf-16-le", "surrogatepass")) // 2 <= limit


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for key, part in value.items() if key != "text" or not own for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return []


def _decoded(request: Request) -> Mapping[str, object]:
    try:
        decoded = json.loads(request.body or b"{}")
    except ValueError:
        raise SlackError("invalid_payload" if request.path.startswith("/services/") else "invalid_json") from None
    if not isinstance(decoded, dict):
        raise SlackError("invalid_payload")
    return decoded


def _json(answer: Mapping[str, object], misbehaviour: Misbehaviour | None = None) -> Response:
    headers = misbehaviour.headers if misbehaviour else {}
    status = misbehaviour.status if misbehaviour else 200
    return Response(
        status=status, body=json.dumps(answer).encode(), content_type="application/json; charset=utf-8", headers=headers
    )


def _plain(status: int, text: str) -> Response:
    return Response(status=status, body=text.encode())

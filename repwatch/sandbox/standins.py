"""Small real servers in place of the receivers of notices, for tests and the demo: on loopback they remember, and misbehave."""

import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Generic, Self, TypeVar

Caught = TypeVar("Caught")


class Catch(Generic[Caught]):
    """What was received, in order; waited for without polling."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Caught] = []

    @property
    def items(self) -> tuple[Caught, ...]:
        """Everything so far."""
        with self._changed:
            return tuple(self._items)

    def add(self, item: Caught) -> None:
        """Remember one more."""
        with self.changing():
            self._items.append(item)

    @contextlib.contextmanager
    def changing(self) -> Iterator[list[Caught]]:
        """Change the list itself and wake those who wait."""
        with self._changed:
            yield self._items
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[tuple[Caught, ...]], bool], seconds: float) -> bool:
        """True as soon as the predicate holds of all that was received, False if it does not within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(tuple(self._items)), seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """What to do with one request instead of answering it well."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""  # Slack only: `ok: false` with this error
    stall: float = 0.0  # seconds without an answer; ends early when the stand-in is told to go on, or closes
    after_effect: bool = False  # do what was asked first: the answer is lost, not the request
    hang_up: bool = False  # close the connection instead of answering
    drip: float = 0.0  # seconds between the single bytes of the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpStandIn:
    """An HTTP server on a free port of loopback, with `tls` an HTTPS server; a subclass says what a request does."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._scheme = "https" if tls else "http"
        self._script: deque[Misbehaviour] = deque()
        self._closing = threading.Event()
        self._goes_on = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="stand-in", daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:port`, with TLS `https://…`."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def misbehave(self, *script: Misbehaviour) -> None:
        """Treat the next requests so, one each."""
        self._script.extend(script)

    def go_on(self) -> None:
        """End stalled requests; nothing stalls from now on."""
        self._goes_on.set()

    def close(self) -> None:
        """Stop listening, end stalled requests, wait for all threads."""
        self._closing.set()
        self.go_on()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def respond(self, request: Request) -> Response:
        """Do what is asked."""
        raise NotImplementedError

    def failure(self, misbehaviour: Misbehaviour) -> Response:
        """The answer of a misbehaviour."""
        return Response(status=misbehaviour.status, body=misbehaviour.body.encode(), headers=misbehaviour.headers)

    def handle(self, request: Request) -> tuple[Response, Misbehaviour]:
        """The answer and how to give it; stalls if told to."""
        try:
            misbehaviour = self._script.popleft()
        except IndexError:
            return self.respond(request), Misbehaviour()
        done = self.respond(request) if misbehaviour.after_effect else None
        self._goes_on.wait(misbehaviour.stall)
        fails = misbehaviour.status != 200 or misbehaviour.error or misbehaviour.body
        return done if done is not None and not fails else self.failure(misbehaviour), misbehaviour

    def pause(self, seconds: float) -> bool:
        """Wait, but no longer than until the stand-in closes; True if it does."""
        return self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that `server_close` waits for them
    block_on_close = True
    request_queue_size = 128  # with Python's 5, of eight that connect at once some wait for a second, and are reset now and then

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is what some tests want; it is no noise on stderr."""


def _handler(stand_in: HttpStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # a client that says nothing does not keep the stand-in from closing for ever

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            if len(body) < length:  # the client was killed: it has asked for nothing
                return
            request = Request(method=self.command, path=self.path, headers=headers, body=body)
            response, misbehaviour = stand_in.handle(request)
            if misbehaviour.hang_up:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(response, misbehaviour.drip)

        do_GET = do_POST  # noqa: N815 - the name http.server looks for

        def _answer(self, response: Response, drip: float) -> None:
            lines = [f"HTTP/1.0 {response.status} stand-in", f"Content-Type: {response.content_type}"]
            lines += [f"{name}: {value}" for name, value in response.headers.items()]
            whole = ("\r\n".join([*lines, f"Content-Length: {len(response.body)}", "", ""])).encode() + response.body
            if not drip:
                self.wfile.write(whole)
                return
            for byte in whole:
                self.wfile.write(bytes([byte]))
                if stand_in.pause(drip):
                    return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            return

    return Handler

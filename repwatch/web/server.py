"""The status page, its live updates, the API, `/metrics` and `/healthz`. Renders a View and decides nothing.

All that can be changed here is a running drift check: paused, let go on, stopped.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repwatch import __version__
from repwatch.drift.overview import RunningCheck
from repwatch.errors import UsageError
from repwatch.model.settings import PageSpec
from repwatch.model.view import Health, View
from repwatch.ports.checks import NO_CHECKS, Checks
from repwatch.render.drift_progress import done_text, progress_line, waiting_text
from repwatch.render.drift_words import count_text
from repwatch.render.notice_text import passages
from repwatch.render.status import status_json
from repwatch.render.times import duration
from repwatch.web.checks import check_routes
from repwatch.web.known_host import KnownHost, is_local
from repwatch.web.metrics import exposition
from repwatch.web.page import LagHistory, age, anchor, code, lag_text, product, proof_tone, run_tone, tree

HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with `no-referrer` a form would be sent with the origin "null"
    "cache-control": "no-store",
}
POLL_SECONDS = 0.3  # how soon a new view reaches an open page
PROGRESS_SECONDS = 1.0  # and how often the progress of a check does
PING_SECONDS = 15.0  # keeps proxies from closing a quiet stream

Running = list[tuple[RunningCheck | None, RunningCheck | None]]  # by cluster: the check of all, that of suspect data


@dataclass(slots=True)
class Page:
    """Renders the view; one for the whole server, so that all readers share one lag history."""

    view: Callable[[], View | None]
    health: Callable[[], Health]
    checks: Checks = NO_CHECKS
    history: LagHistory = field(default_factory=LagHistory)
    stopping: threading.Event = field(default_factory=threading.Event)
    _templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        self._templates = Environment(loader=PackageLoader("repwatch.web"), autoescape=True, undefined=StrictUndefined)
        self._templates.filters["code"] = code
        self._templates.globals.update(
            age=age,
            amount=count_text,
            anchor=anchor,
            done_text=done_text,
            duration=duration,
            lag_text=lag_text,
            passages=passages,
            product=product,
            progress_line=progress_line,
            proof_tone=proof_tone,
            run_tone=run_tone,
            tree=tree,
            version=__version__,
            waiting_text=waiting_text,
        )

    def render(self, template: str) -> str:
        """One template with the latest view."""
        return self._templates.get_template(template).render(
            view=self.view(),
            health=self.health(),
            sparks=self.history.sparks(),
            drift={overview.cluster: overview for overview in self.checks.overviews()},
        )

    def remember(self) -> None:
        """Take samples until the server stops, whether or not somebody looks at the page."""
        while not self.stopping.wait(POLL_SECONDS):
            if (view := self.view()) is not None:
                self.history.add(view)

    async def events(self) -> AsyncIterator[str]:
        """The live part of the page, sent whenever there is a new view, or a check has gone on."""
        yield "retry: 2000\n\n"
        shown: tuple[datetime, Running] | None = None
        quiet = 0.0
        while not self.stopping.is_set():
            view, running = self.view(), [(check.running, check.suspect) for check in self.checks.overviews()]
            if view is not None and _is_news(shown, (view.as_of, running), quiet):
                shown, quiet = (view.as_of, running), 0.0
                yield "event: view\n" + "".join(f"data: {line}\n" for line in self.render("live.html").splitlines()) + "\n"
            elif quiet >= PING_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            quiet += POLL_SECONDS
            await asyncio.sleep(POLL_SECONDS)


def _is_news(shown: tuple[datetime, Running] | None, now: tuple[datetime, Running], quiet: float) -> bool:
    """True if an open page should be told: at once of a new view, now and then of the progress of a check."""
    return shown is None or shown[0] != now[0] or (shown[1] != now[1] and quiet >= PROGRESS_SECONDS)


class SecurityHeaders:
    """Adds the headers to every answer; one that an answer brings itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = ((name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given)
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, with_headers)


def build_app(page: Page, names: Sequence[str] | None) -> Starlette:
    """The routes, under any name if there are none to go by."""

    async def index(_: Request) -> Response:
        return HTMLResponse(page.render("index.html"))

    async def events(_: Request) -> Response:
        return StreamingResponse(page.events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def metrics(_: Request) -> Response:
        return Response(exposition(page.view, page.health, page.checks), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def healthz(_: Request) -> Response:
        health = page.health()
        body = {"ok": health.ok, "problems": list(health.problems), "version": __version__}
        return Response(json.dumps(body), status_code=200 if health.ok else 503, media_type="application/json")

    async def api_status(_: Request) -> Response:
        view = page.view()
        if view is None:
            return Response('{"error": "no look at the servers is finished yet"}', status_code=503, media_type="application/json")
        return Response(status_json(view), media_type="application/json")

    return Starlette(
        routes=[
            Route("/", index),
            Route("/events", events),
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/api/status", api_status),
            *check_routes(page.checks),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(SecurityHeaders), *([] if names is None else [Middleware(KnownHost, names=names)])],
    )


class WebServer:
    """A running web server on a thread of its own."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket, page: Page) -> None:
        self._server = server
        self._listener = listener
        self._page = page
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
        self._thread.start()
        threading.Thread(target=page.remember, name="web-history", daemon=True).start()

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    @property
    def alive(self) -> bool:
        """False if it has ended by itself."""
        return self._thread.is_alive()

    def stop(self, seconds: float = 3.0) -> None:
        """End open streams, then the server; waits at most that long."""
        self._page.stopping.set()
        self._server.should_exit = True
        self._thread.join(seconds)
        self._listener.close()


def start(
    at: PageSpec, *, view: Callable[[], View | None], health: Callable[[], Health], checks: Checks = NO_CHECKS
) -> WebServer:
    """Listen and serve. Port 0 takes a free one. Raises UsageError if the address cannot be had."""
    host, port = at.host, at.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # at once: with SO_REUSEADDR two sockets may be bound to one port until one listens
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another address in [web] listen"
        ) from None
    page = Page(view, health, checks)
    names = (*at.names, *filter(None, [at.public])) if at.names or is_local(host) else None
    app = build_app(page, names)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    return WebServer(uvicorn.Server(config), listener, page)

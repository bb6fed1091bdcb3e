"""Answers only under names that are the page's own, so that a foreign site cannot pass for it by pointing its name here.

A browser keeps apart what comes from different names, not from different addresses; a site whose name is moved to 127.0.0.1 could
therefore read the page of whoever visits it (DNS rebinding). An address in place of a name cannot be moved.
"""

import ipaddress
from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class KnownHost:
    """Refuses requests for any other name than `localhost` and the given ones; addresses are always answered."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._knows(Request(scope).url.hostname or ""):
            await self._app(scope, receive, send)
            return
        refusal = PlainTextResponse("This page does not go by that name: add it to hosts under [web].\n", status_code=421)
        await refusal(scope, receive, send)

    def _knows(self, host: str) -> bool:
        return host.lower() in self._names or is_address(host)


def is_address(host: str) -> bool:
    """True for an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """True if only this machine reaches what listens there."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)

"""A stand-in for a webhook's receiver."""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from repwatch.sandbox.standins import Catch, HttpStandIn, Request, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtPost:
    """One request as it came; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """The body, decoded; an empty dictionary if it is no JSON object. Raises ValueError if it is no JSON."""
        decoded = json.loads(self.body)
        return decoded if isinstance(decoded, dict) else {}


class WebhookCatcher(HttpStandIn):
    """Answers 204 to everything and remembers it."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._caught: Catch[CaughtPost] = Catch()
        super().__init__(port, tls)

    @property
    def url(self) -> str:
        """Where notices go; its query stands for a credential."""
        return f"{self.origin}/hooks/repwatch?token=webhook-query-secret"

    @property
    def posts(self) -> tuple[CaughtPost, ...]:
        """Everything so far."""
        return self._caught.items

    def wait_for(self, predicate: Callable[[tuple[CaughtPost, ...]], bool], seconds: float) -> bool:
        """True as soon as the predicate holds of the posts."""
        return self._caught.wait_for(predicate, seconds)

    def respond(self, request: Request) -> Response:
        """Remember it."""
        self._caught.add(CaughtPost(path=request.path, headers=request.headers, body=request.body))
        return Response(status=204)

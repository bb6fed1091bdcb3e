"""One HTTP POST with one answer: proxies of the environment honoured, certificates verified, redirects not followed."""

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from repwatch import __version__
from repwatch.adapters.attempt import describe
from repwatch.adapters.authorities import WEB

_MOST_READ = 2000  # bytes of an answer; only its beginning is ever looked at


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver answered."""

    status: int
    headers: dict[str, str]
    text: str


class NoAnswer(Exception):
    """The request could not be sent, or no answer came: it may or may not have arrived. Its text carries no secret."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would send a signed notice, or a token, to somebody who was not configured."""

    def redirect_request(self, *request: object, **named: object) -> None:
        return None


def post_json(url: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
    """Send and read the answer. `timeout` (seconds) bounds each wait. Raises NoAnswer, and ValueError for a URL that is none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:  # urllib would also open files
        raise ValueError("not a URL that can be posted to")
    sent = {"Content-Type": "application/json; charset=utf-8", "User-Agent": f"repwatch/{__version__}", **headers}
    request = urllib.request.Request(url, data=body, headers=sent, method="POST")
    https = urllib.request.HTTPSHandler(context=WEB.context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies(url)), https, _NoRedirect)
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read(_MOST_READ).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), _beginning(error))
    except http.client.InvalidURL:
        raise ValueError("not a URL that can be posted to") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(describe(error)) from None


def proxies(url: str) -> dict[str, str]:
    """The environment's proxies by scheme; none for this machine itself, nor for what `no_proxy` names."""
    host = urlsplit(url).hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"} or urllib.request.proxy_bypass(host):
        return {}
    return urllib.request.getproxies()


def _beginning(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(_MOST_READ).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""

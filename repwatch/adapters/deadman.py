"""The sign of life: an address of somebody who tells people when the calls stop; it is called as long as repwatch is well."""

import logging
from urllib.parse import urlsplit

from repwatch.adapters.http_post import NoAnswer, post_json
from repwatch.adapters.secrets import reveal
from repwatch.errors import UsageError
from repwatch.model.endpoint import SecretSource

log = logging.getLogger("repwatch.deadman")

SECONDS = 3.0  # for one wait: shorter than an end of the service takes


class DeadMan:
    """One address. Its path is a credential and never shown. What a failing call means is told by whoever misses it."""

    def __init__(self, url: SecretSource) -> None:
        self._url = url
        self._problem = ""

    def __call__(self) -> None:
        """Call once; what is wrong is logged when it changes, and never raised."""
        problem = self._call()
        if problem != self._problem:
            log.warning("deadman.%s", f"failed: {problem}" if problem else "recovered")
        self._problem = problem

    def _call(self) -> str:
        try:
            url = reveal(self._url)
            answer = post_json(url, b"{}", {}, SECONDS)
        except UsageError as error:
            return str(error)
        except ValueError:
            return "its URL cannot be posted to"
        except NoAnswer as error:
            return f"{urlsplit(url).hostname}: {error}"
        return "" if 200 <= answer.status < 300 else f"{urlsplit(url).hostname} answered {answer.status}"

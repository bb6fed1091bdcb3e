"""One attempt at a delivery: bounded in time, never raising, with texts that carry no secret. Shared by all notifiers."""

import base64
import re
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from repwatch.adapters.clock import SystemClock
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Notifier, Thread

_LONGEST_WAIT = timedelta(days=1)


def retry(text: str, thread: Thread, retry_after: timedelta | None = None) -> Delivery:
    """Not delivered now; what was remembered stays remembered."""
    return Delivery(outcome=DeliveryOutcome.RETRY, text=text, thread=thread, retry_after=retry_after)


def refused(text: str, thread: Thread) -> Delivery:
    """Will not work as configured; what was remembered stays remembered."""
    return Delivery(outcome=DeliveryOutcome.REFUSED, text=text, thread=thread)


def describe(error: BaseException) -> str:
    """A network error in words. Only texts of the system and of OpenSSL are shown: others may quote a URL or a credential."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return describe(reason)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def scrub(text: str, secrets: Iterable[str]) -> str:
    """What a receiver answered, on one line and cut, without a secret that it may have echoed (also quoted or in base64)."""
    for secret in secrets:
        if secret:
            coded = base64.b64encode(secret.encode("utf-8", "replace")).decode().rstrip("=")
            for shape in (secret, quote(secret, safe=""), coded):
                text = text.replace(shape, "***")
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()[:200]


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """`Retry-After` in seconds or as a date, which is counted from the answer's own `Date`; None where there is none to use."""
    found = {name.lower(): value for name, value in headers.items()}
    text = found.get("retry-after", "").strip()
    try:
        wait = (
            timedelta(seconds=int(text)) if text.isdigit() else parsedate_to_datetime(text) - parsedate_to_datetime(found["date"])
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), _LONGEST_WAIT)


@dataclass(slots=True)
class _Attempt:
    """One call of a notifier in a thread of its own."""

    notice: Letter
    delivery: Delivery | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Bounded:
    """Calls a notifier with a limit on the whole call: name resolution, every address, a receiver that drips single bytes.

    Socket timeouts bound single waits only. A call that overstays goes on in its thread, and counts among the `lanes` that there
    may be at once; if it turns out to have delivered, the next attempt at its notice takes that answer instead of posting twice.
    """

    def __init__(self, inner: Notifier, seconds: float, lanes: int = 1) -> None:
        self._inner = inner
        self._seconds = seconds
        self._clock = SystemClock()
        self._free = threading.Semaphore(lanes)
        self._lock = threading.Lock()
        self._overdue: dict[str, _Attempt] = {}  # by the notice's id

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        """Deliver within the limit; never raises. Nobody sends one notice twice at once."""
        deadline = self._clock.monotonic() + self._seconds
        with self._lock:
            earlier = self._overdue.get(notice.id)
        if earlier is not None:
            if not earlier.done.wait(self._seconds):
                return retry("an earlier attempt still waits for its answer", thread)
            self._forget(notice)
            if earlier.delivery is not None and earlier.delivery.outcome is DeliveryOutcome.DELIVERED:
                return earlier.delivery
        if not self._free.acquire(timeout=max(0.0, deadline - self._clock.monotonic())):
            return retry("earlier attempts still wait for their answers", thread)
        return self._attempt(_Attempt(notice), thread, deadline)

    def _attempt(self, attempt: _Attempt, thread: Thread, deadline: float) -> Delivery:
        with self._lock:
            self._overdue[attempt.notice.id] = attempt
        try:
            threading.Thread(target=self._run, args=(attempt, thread), name="repwatch-notify", daemon=True).start()
        except RuntimeError:  # there are too many threads on this machine
            self._free.release()
            self._forget(attempt.notice)
            return retry("no thread could be started for it", thread)
        if attempt.done.wait(max(0.0, deadline - self._clock.monotonic())) and attempt.delivery is not None:
            self._forget(attempt.notice)
            return attempt.delivery
        return retry(f"no answer within {self._seconds:g} s; the notice may have arrived all the same", thread)

    def _forget(self, notice: Letter) -> None:
        with self._lock:
            del self._overdue[notice.id]

    def _run(self, attempt: _Attempt, thread: Thread) -> None:
        try:
            attempt.delivery = self._inner.send(attempt.notice, thread)
        except Exception as error:  # noqa: BLE001 - the port promises not to raise; the text of an unforeseen error may hold a secret
            attempt.delivery = retry(f"the delivery failed: {type(error).__name__}", thread)
        finally:
            self._free.release()
            attempt.done.set()

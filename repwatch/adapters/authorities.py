"""Whom connections to receivers trust: the certificate authorities of this machine.

To read them takes 20 ms and more of a processor's time, and the driver of each receiver would do so for each message, of which a
storm has hundreds. Here they are read once an hour: a service runs for longer than some of them last.
"""

import ssl
import threading
from dataclasses import dataclass, field
from typing import Final

from repwatch.adapters.clock import SystemClock
from repwatch.ports.clock import Clock

KEEP_SECONDS: Final = 3600.0


@dataclass(slots=True)
class Authorities:
    """For any number of threads."""

    clock: Clock
    _read: float = 0.0  # monotonic
    _paths: ssl.DefaultVerifyPaths | None = None
    _context: ssl.SSLContext = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def context(self) -> ssl.SSLContext:
        """Verifies certificates and the names in them; SSL_CERT_FILE and SSL_CERT_DIR are honoured. Not to be changed."""
        with self._lock:
            now, paths = self.clock.monotonic(), ssl.get_default_verify_paths()
            if paths != self._paths or now - self._read >= KEEP_SECONDS:
                self._context, self._paths, self._read = ssl.create_default_context(), paths, now
            return self._context


AUTHORITIES: Final = Authorities(SystemClock())

"""Whom connections to receivers trust: the certificate authorities of this machine.

To read them takes 20 ms and more of a processor's time, and the client of each receiver would do so for each message, of which a
storm has hundreds. Here they are read once, and again when they have changed.
"""

import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Sources = tuple[tuple[str, int, int], ...]  # path, inode, and when it was changed, in nanoseconds


@dataclass(slots=True)
class Authorities:
    """For any number of threads. `protocols` are offered to whom one connects (ALPN)."""

    protocols: tuple[str, ...] = ()
    _sources: Sources | None = None
    _context: ssl.SSLContext | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def context(self) -> ssl.SSLContext:
        """Verifies certificates and the names in them; SSL_CERT_FILE and SSL_CERT_DIR are honoured. Not to be changed."""
        sources = _sources()
        with self._lock:
            if self._context is not None and sources == self._sources:
                return self._context
            made = ssl.create_default_context()
            if self.protocols:
                made.set_alpn_protocols(list(self.protocols))
            # OpenSSL reads nothing, without a word, where the file cannot be opened at the moment.
            self._context, self._sources = (made, sources) if made.cert_store_stats()["x509_ca"] else (None, None)
            return made


def _sources() -> Sources:
    paths = ssl.get_default_verify_paths()
    found = []
    for path in filter(None, (paths.cafile, paths.capath)):
        with suppress(OSError):
            seen = Path(path).stat()
            found.append((path, seen.st_ino, seen.st_mtime_ns))
    return tuple(found)


WEB: Final = Authorities(("http/1.1",))
MAIL: Final = Authorities()

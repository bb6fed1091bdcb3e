"""Certificates for sandbox servers, and new ones by another authority in their place."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Certificates:
    """An authority's certificate, and a server's for 127.0.0.1, as files that a server reads at its start or when told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._make()
        self.authority = folder / "first-ca.pem"  # stays as it is, for those who trust nobody else
        self.authority.write_bytes((folder / "ca.pem").read_bytes())

    @property
    def options(self) -> tuple[str, ...]:
        """For each server of a sandbox."""
        return tuple(f"--ssl-{kind}={self._folder / f'{kind}.pem'}" for kind in ("ca", "cert", "key"))

    @contextmanager
    def rotated(self) -> Iterator[None]:
        """Another authority, and a certificate that it has signed, in the place of the first; it comes back in the end."""
        kept = {file: file.read_bytes() for file in self._folder.iterdir()}
        self._make()
        yield
        for file, content in kept.items():
            file.write_bytes(content)

    def _make(self) -> None:
        ca, ca_key = self._folder / "ca.pem", self._folder / "ca-key.pem"
        self._openssl("-x509", "-subj", "/CN=authority", "-keyout", ca_key, "-out", ca)
        cert, key = self._folder / "cert.pem", self._folder / "key.pem"
        signed = ("-CA", ca, "-CAkey", ca_key, "-addext", "subjectAltName=IP:127.0.0.1")
        self._openssl("-x509", *signed, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert)

    def _openssl(self, *words: object) -> None:
        command = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-days", "2", *map(str, words)]
        subprocess.run(command, check=True, capture_output=True)

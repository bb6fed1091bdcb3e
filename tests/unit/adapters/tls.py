"""A certificate for stand-ins, and whom to trust for it."""

import ssl
import subprocess
from pathlib import Path


def self_made(folder: Path) -> Path:
    """A self-made certificate for 127.0.0.1 and 127.0.0.2, with its key in the same file; `.crt` is the certificate alone."""
    path = folder / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.2"),
            *("-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2"),
            *("-keyout", str(path), "-out", str(path.with_suffix(".crt"))),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    """For a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context

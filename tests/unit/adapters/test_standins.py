"""The stand-ins of receivers take what was asked of them, and nothing else."""

import socket
from urllib.parse import urlsplit

from repwatch.sandbox.standins_webhook import WebhookCatcher


def test_what_a_killed_client_sent_half_is_no_request() -> None:
    with WebhookCatcher() as hook:
        address = urlsplit(hook.url)
        for body in (b"{}", b""):
            with socket.create_connection((address.hostname, address.port), timeout=10) as client:
                client.sendall(b"POST /hooks HTTP/1.0\r\nContent-Length: 2\r\n\r\n" + body)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1024).startswith(b"HTTP/1.0 204") is bool(body)
        assert [post.body for post in hook.posts] == [b"{}"]

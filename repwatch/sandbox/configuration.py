"""The `repwatch.toml` of a sandbox."""

import json
from pathlib import Path

from repwatch.model.endpoint import Endpoint, LiteralSecret, SecretSource
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.sandbox.folders import SECRETS


def configuration(cluster: ClusterSpec, folder: Path) -> str:
    """The text; the passwords are put into files below `folder`, mode 0600."""
    lines = [f"[clusters.{cluster.name}]", f"source = {_text(cluster.source)}"]
    lines.append(f"poll_interval = {_text(f'{cluster.poll_interval.total_seconds():g}s')}")
    for server in cluster.servers:
        lines += ["", *_server(cluster.name, server, folder)]
    if cluster.replication is not None:
        lines += ["", f"[clusters.{cluster.name}.replication]", f"user = {_text(cluster.replication.user)}"]
        lines.append(f"password = {_password(cluster.replication.user, cluster.replication.password, folder)}")
    return "\n".join(lines) + "\n"


def _server(cluster: str, server: ServerSpec, folder: Path) -> list[str]:
    endpoint = server.endpoint
    lines = [f"[clusters.{cluster}.servers.{server.name}]", f"url = {_text(f'mysql://{endpoint.user}@{endpoint.address}')}"]
    lines.append(f"password = {_secret(endpoint, folder)}")
    if server.operator is not None:
        lines.append(f"operator = {{ user = {_text(server.operator.user)}, password = {_secret(server.operator, folder)} }}")
    if server.replicates_from:
        lines.append(f"replicates_from = {_text(server.replicates_from)}")
    if server.channels:
        pairs = ", ".join(f"{name} = {_text(source)}" for name, source in server.channels.items())
        lines.append(f"channels = {{ {pairs} }}")
    if server.host is not None:
        lines.append(f"host = {{ stop = {_text(server.host.stop)}, start = {_text(server.host.start)} }}")
    return lines


def _secret(endpoint: Endpoint, folder: Path) -> str:
    return _password(endpoint.user, endpoint.password, folder)


def _password(user: str, secret: SecretSource | None, folder: Path) -> str:
    assert isinstance(secret, LiteralSecret)
    return f"{{ file = {_text(str(write_secret(user, secret, folder)))} }}"


def write_secret(user: str, secret: LiteralSecret, folder: Path) -> Path:
    """The file below `folder` that holds an account's password, mode 0600."""
    path = folder / SECRETS / user
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"{secret.text}\n", encoding="ascii")
    return path


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(value)

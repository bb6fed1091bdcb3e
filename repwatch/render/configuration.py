"""A discovered topology as a commented `repwatch.toml`; passwords stand in the environment, never in the text."""

import json
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from repwatch.health.discovery import Discovery, FoundServer
from repwatch.model.endpoint import Endpoint, TlsMode
from repwatch.model.server import ServerVersion
from repwatch.sql.privileges import operator_grants, replication_grants, watch_grants


def configuration_text(
    discovery: Discovery, *, start: Endpoint, variable: str | None, option_file: str | None, now: datetime
) -> str:
    """The file. `variable` holds the password; None: the option file does, or none is needed."""
    source = next(server for server in discovery.servers if server.name == discovery.source)
    lines = [
        f"# Found by `repwatch init` from {start} on {now:%Y-%m-%d}. Check it with `repwatch doctor`.",
        "# Every key is described in docs/configuration.md.",
        *(f"# NOT COMPLETE: {note}" for note in discovery.notes),
        "",
        "[store]",
        'url = "sqlite:///repwatch.db"  # relative to this file',
        "",
        "[web]",
        'listen = "127.0.0.1:8080"',
        "",
        "[clusters.main]  # any name you like",
        f"source = {_text(discovery.source)}",
        'poll_interval = "5s"',
        'max_lag = "30s"',
    ]
    for server in discovery.servers:
        lines += ["", *_server(server, discovery.source, variable, option_file)]
    lines += ["", *_accounts(source.look.version if source.look else None)]
    lines += ["", *_receiver()]
    return "\n".join(lines) + "\n"


def _server(server: FoundServer, source: str, variable: str | None, option_file: str | None) -> Iterator[str]:
    endpoint = server.endpoint
    yield f"[clusters.main.servers.{server.name}]{_remark(server)}"
    yield f"url = {_text(_url(endpoint, option_file))}"
    if variable:
        yield f"password = {{ env = {_text(variable)} }}"
    if endpoint.tls is not TlsMode.PREFERRED:
        yield f"tls = {_text(endpoint.tls.value)}"
    if endpoint.ca:
        yield f"ca = {_text(str(endpoint.ca))}"
    if list(server.upstream) == [""]:
        if server.upstream[""] != source:
            yield f"replicates_from = {_text(server.upstream[''])}"
    elif server.upstream:
        pairs = ", ".join(f"{_text(channel)} = {_text(name)}" for channel, name in server.upstream.items())
        yield f"channels = {{ {pairs} }}"
    if server.look is not None and server.upstream and not server.look.is_on("read_only"):
        yield "# writable = true  # read_only is off on this replica; say so if that is intended"


def _remark(server: FoundServer) -> str:
    if server.look is None:
        return "  # known from another server, not reached"
    product = "MariaDB" if server.look.version.is_mariadb else "MySQL"
    return f"  # {product} {'.'.join(map(str, server.look.version.number))}, server_id {server.look.server_id}"


def _url(endpoint: Endpoint, option_file: str | None) -> str:
    address = endpoint.address
    given = {"socket": address.socket, "defaults_file": option_file}
    query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in given.items() if value)
    place = "localhost" if address.socket else str(address)
    return f"mysql://{quote(endpoint.user, safe='')}@{place}{'?' if query else ''}{query}"


def _accounts(version: ServerVersion | None) -> Iterator[str]:
    yield "# Accounts. What repwatch watches with needs no more than this; `repwatch doctor` prints what is missing:"
    if version is not None:
        yield from _made("'repwatch'@'%'", watch_grants(version))
    yield "# Repair and reseed change replicas, with an account of their own, at each server:"
    yield '# operator = { user = "repwatch_op", password = { env = "REPWATCH_OPERATOR_PASSWORD" } }'
    if version is not None:
        yield from _made("'repwatch_op'@'%'", operator_grants(version))
    yield "# Reseed connects the new replica to its source with this account:"
    yield "# [clusters.main.replication]"
    yield '# user = "repl"'
    yield '# password = { env = "REPL_PASSWORD" }'
    if version is not None:
        yield from _made("'repl'@'%'", replication_grants(version))


def _made(account: str, grants: tuple[str, ...]) -> Iterator[str]:
    yield f"#   CREATE USER {account} IDENTIFIED BY '…';"
    yield from (f"#   {grant.format(account=account)};" for grant in grants)


def _receiver() -> Iterator[str]:
    yield "# Who is told. Each kind may stand alone."
    yield "# [receivers.oncall]"
    yield '# slack = { channel = "#db-alerts", token = { env = "SLACK_TOKEN" } }'
    smtp = 'smtp = "smtp://repwatch@mail.example.com:587", password = { env = "SMTP_PASSWORD" }'
    yield f'# email = {{ to = ["dba@example.com"], from = "repwatch@example.com", {smtp} }}'
    yield '# webhook = { url = "https://example.com/hook", secret = { env = "WEBHOOK_SECRET" } }'


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(value, ensure_ascii=False)

"""`doctor` on this machine: driver, files of the configuration, secrets, store, and whether receivers can be reached."""

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from repwatch import __version__
from repwatch.adapters.mysql.driver_info import driver_text, has_c_extension
from repwatch.adapters.secrets import reveal
from repwatch.app.config_settings import SQLITE
from repwatch.app.people import silence_target
from repwatch.errors import UsageError
from repwatch.flows.look import all_at_once
from repwatch.health.checkup import Failed, Level, Remark, Topic
from repwatch.health.notice import is_for_nobody
from repwatch.health.overdue import Overdue, unheard
from repwatch.model.endpoint import FileSecret, LiteralSecret, SecretSource
from repwatch.model.settings import EmailReceiver, Receiver, Settings, SlackReceiver
from repwatch.ports.clock import Clock

RECEIVER_SECONDS = 4.0
LOW_SPACE = 100 * 1024 * 1024


def check_machine(settings: Settings, clock: Clock) -> tuple[Remark, ...]:
    """Every remark that is not about a server. Sends nothing to anybody."""
    remarks = [_driver()]
    if settings.path is not None:
        remarks += [
            *_configuration(settings, settings.path),
            *_secrets(settings),
            *_store(settings),
            *_receivers(settings, clock),
        ]
    return tuple(remarks)


def _driver() -> Remark:
    text = f"repwatch {__version__}, {driver_text()}"
    if has_c_extension():
        return Remark(topic=Topic.DRIVER, level=Level.GOOD, text=text)
    hint = "the C extension was not loaded; rows are read ten times slower. Does the driver's version fit this OpenSSL?"
    return Remark(topic=Topic.DRIVER, level=Level.NOTE, text=text, hint=hint)


def _configuration(settings: Settings, path: Path) -> Iterator[Remark]:
    yield Remark(topic=Topic.CONFIGURATION, level=Level.GOOD, text=f"configuration {path}")
    literal = [text for text, secret in _sources(settings) if isinstance(secret, LiteralSecret) and text.startswith("config")]
    if literal and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Remark(
            topic=Topic.CONFIGURATION,
            level=Level.PROBLEM,
            text=f"{path} holds a secret and can be read by others",
            hint=f"chmod 600 {path}, or keep the secret in a file or the environment",
        )


def _sources(settings: Settings) -> Iterator[tuple[str, SecretSource]]:
    for cluster in settings.clusters:
        for server in cluster.servers:
            yield from _given(f"config: {cluster.name}/{server.label}", server.endpoint.password)
            if server.operator:
                yield from _given(f"{cluster.name}/{server.label}, operator", server.operator.password)
        if cluster.replication:
            yield from _given(f"{cluster.name}, replication", cluster.replication.password)
    for receiver in settings.receivers:
        channel = receiver.channel
        match channel:
            case SlackReceiver():
                yield from _given(f"{receiver.id}, token", channel.token)
                yield from _given(f"config: {receiver.id}, webhook_url", channel.webhook_url)
            case EmailReceiver():
                yield from _given(f"{receiver.id}, password", channel.password)
            case _:
                yield from _given(f"{receiver.id}, secret", channel.secret)


def _given(text: str, secret: SecretSource | None) -> Iterator[tuple[str, SecretSource]]:
    if secret is not None:
        yield text, secret


def _secrets(settings: Settings) -> Iterator[Remark]:
    told: set[SecretSource] = set()
    for text, secret in _sources(settings):
        if secret in told:
            continue
        told.add(secret)
        try:
            reveal(secret)
        except UsageError as error:
            yield Remark(
                topic=Topic.SECRETS, level=Level.PROBLEM, text=f"{text.removeprefix('config: ')}: {error}", hint=error.hint
            )
            continue
        if isinstance(secret, FileSecret) and secret.path.stat().st_mode & stat.S_IROTH:
            yield Remark(
                topic=Topic.SECRETS,
                level=Level.PROBLEM,
                text=f"the secret file {secret.path} can be read by everybody",
                hint=f"chmod 600 {secret.path}",
            )


def _store(settings: Settings) -> Iterator[Remark]:
    if not settings.store_url.startswith(SQLITE):
        yield Remark(
            topic=Topic.STORE, level=Level.NOTE, text="the store is no file; `repwatch run` tells whether it can be used"
        )
        return
    path = Path(settings.store_url.removeprefix(SQLITE))
    try:
        # What cannot be read off a mode: a full disk, a read-only file system.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".repwatch-") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        hint = "set [store] url to a folder that this user may write to"
        yield Remark(
            topic=Topic.STORE, level=Level.PROBLEM, text=f"the store {path} cannot be written: {error.strerror}", hint=hint
        )
        return
    space = os.statvfs(path.parent)
    if space.f_bavail * space.f_frsize < LOW_SPACE:
        yield Remark(topic=Topic.STORE, level=Level.NOTE, text=f"less than 100 MB are free for the store in {path.parent}")
    yield Remark(topic=Topic.STORE, level=Level.GOOD, text=f"store {path} can be written")


def _receivers(settings: Settings, clock: Clock) -> Iterator[Remark]:
    if not settings.receivers:
        text = "no receiver: nobody is told of incidents"
        yield Remark(topic=Topic.RECEIVER, level=Level.NOTE, text=text, hint="add [receivers.NAME] to the configuration")
        return
    yield from _matching_nothing(settings)
    yield from _unheard(settings, clock)
    jobs: dict[str, Callable[[], str]] = {receiver.id: partial(_reach, receiver) for receiver in settings.receivers}
    for name, result in all_at_once(jobs, clock, 3 * RECEIVER_SECONDS).items():
        if isinstance(result, Failed):
            hint = "are host and port right, and does a firewall allow it? Nothing was sent"
            yield Remark(topic=Topic.RECEIVER, level=Level.PROBLEM, text=f"{name} cannot be reached: {result.text}", hint=hint)
        else:
            yield Remark(topic=Topic.RECEIVER, level=Level.GOOD, text=f"{name}: {result}")


def _matching_nothing(settings: Settings) -> Iterator[Remark]:
    """Patterns that nothing here goes by: whoever waits for it is told of nothing."""
    for name, pattern in dict.fromkeys((receiver.name, pattern) for receiver in settings.receivers for pattern in receiver.match):
        try:
            silence_target(settings, pattern)
        except UsageError as error:
            text = f"{name}: match {pattern!r} matches nothing: {error}"
            yield Remark(topic=Topic.RECEIVER, level=Level.PROBLEM, text=text, hint=error.hint)


def _unheard(settings: Settings, clock: Clock) -> Iterator[Remark]:
    """Who is told when a receiver takes nothing: never that receiver itself."""
    for receiver in settings.receivers:
        finding = unheard(Overdue(receiver.id, clock.now(), ""), clock.now())
        if is_for_nobody(finding, settings.receivers):
            text = f"nobody is told when {receiver.id} takes nothing: no other receiver takes {finding.subject.code}"
            hint = "add one of another kind, or let `match` and `min_severity` of another take it"
            yield Remark(topic=Topic.RECEIVER, level=Level.NOTE, text=text, hint=hint)


def _reach(receiver: Receiver) -> str:
    """Open a connection and close it. Raises UsageError."""
    channel = receiver.channel
    if isinstance(channel, EmailReceiver):
        return _connect(channel.host, channel.port)
    if getproxies().keys() & {"http", "https", "all"}:
        return "not tried: a proxy stands between"
    if isinstance(channel, SlackReceiver):
        url = channel.api_url or (reveal(channel.webhook_url) if channel.webhook_url else "https://slack.com/")
    else:
        url = channel.url
    parts = urlsplit(url)
    return _connect(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _connect(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), timeout=RECEIVER_SECONDS):
            return f"{host}:{port} can be reached"
    except (OSError, UnicodeError, OverflowError) as error:
        raise UsageError(f"{host}:{port}: {getattr(error, 'strerror', None) or type(error).__name__}") from None

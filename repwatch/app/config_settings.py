"""From the checked configuration to the values the rest of repwatch knows; relative paths become absolute here."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from repwatch.app import config_models as config
from repwatch.app.config_references import Problem
from repwatch.app.passwords import default_state_dir, environment_password
from repwatch.app.urls import endpoint_of
from repwatch.errors import UsageError
from repwatch.model.endpoint import CommandSecret, Endpoint, FileSecret, SecretSource, TlsMode
from repwatch.model.settings import (
    DeadManSpec,
    EmailReceiver,
    LinkSpec,
    PageSpec,
    Receiver,
    Settings,
    SlackReceiver,
    WebhookForm,
    WebhookReceiver,
)
from repwatch.model.topology import ClusterSpec, DriftSpec, HostSpec, ReplicationAccount, ServerSpec

SQLITE = "sqlite:///"


def make_settings(configuration: config.Configuration, path: Path, state: Path | None) -> tuple[Settings | None, list[Problem]]:
    """The settings, or the problems that only reading further files (option files) brings to light."""
    folder = path.absolute().parent
    problems: list[Problem] = []
    clusters = tuple(_cluster(name, cluster, folder, problems) for name, cluster in configuration.clusters.items())
    if problems:
        return None, problems
    store_url = _store_url(configuration.store.url, folder)
    settings = Settings(
        clusters=clusters,
        receivers=tuple(
            receiver for name, table in configuration.receivers.items() for receiver in _receivers(name, table, folder)
        ),
        deadman=DeadManSpec(url=_placed(configuration.deadman.url, folder), every=configuration.deadman.every)
        if configuration.deadman
        else None,
        store_url=store_url,
        page=_page(configuration.web),
        links=LinkSpec(page=configuration.web.url or "", runbook=configuration.notices.runbook or ""),
        path=path.absolute(),
        state_dir=(state or _state_dir(store_url)).absolute(),
    )
    return settings, []


def _page(table: config.Web) -> PageSpec:
    return PageSpec(table.listen.host, table.listen.port, table.hosts, (urlsplit(table.url or "").hostname or ""))


def _store_url(url: str, folder: Path) -> str:
    return SQLITE + str(folder / url.removeprefix(SQLITE)) if url.startswith(SQLITE) else url


def _state_dir(store_url: str) -> Path:
    # What must survive lies together: beside the store where that is a file.
    return Path(store_url.removeprefix(SQLITE)).parent if store_url.startswith(SQLITE) else default_state_dir()


def _cluster(name: str, table: config.Cluster, folder: Path, problems: list[Problem]) -> ClusterSpec:
    servers: list[ServerSpec] = []
    for label, server in table.servers.items():
        try:
            servers.append(_server(label, server, folder, is_source=label == table.source))
        except UsageError as error:
            problems.append(Problem(("clusters", name, "servers", label, "url"), str(error)))
    account = table.replication
    return ClusterSpec(
        name=name,
        source=table.source,
        servers=tuple(servers),
        poll_interval=table.poll_interval,
        max_lag=table.max_lag,
        maintenance=table.maintenance,
        replication=ReplicationAccount(user=account.user, password=_secret(account.password, folder), tls=account.tls)
        if account
        else None,
        heartbeat=table.heartbeat.database if table.heartbeat else None,
        restart_transient=table.restart_transient,
        drift=DriftSpec(
            schedule=table.drift.schedule,
            prove_within=table.drift.prove_within,
            window=table.drift.window,
            max_threads_running=table.drift.max_threads_running,
            load=table.drift.load,
        ),
    )


def _server(label: str, table: config.Server, folder: Path, *, is_source: bool) -> ServerSpec:
    variable = "REPWATCH_SOURCE_PASSWORD" if is_source else "REPWATCH_REPLICA_PASSWORD"
    endpoint = endpoint_of(table.url, "url", fallback=lambda *_: environment_password(variable), folder=folder)
    endpoint = replace(
        endpoint,
        password=_secret(table.password, folder) if table.password is not None else endpoint.password,
        tls=table.tls or endpoint.tls,
        ca=folder / table.ca if table.ca else endpoint.ca,
    )
    if endpoint.tls in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY) and endpoint.ca is None:
        raise UsageError(f"tls = {endpoint.tls.value!r} needs ca, the file of the certificate authorities")
    operator: Endpoint | None = None
    if table.operator:
        operator = replace(endpoint, user=table.operator.user, password=_secret(table.operator.password, folder))
    return ServerSpec(
        endpoint=endpoint,
        name=label,
        operator=operator,
        replicates_from=table.replicates_from,
        channels=dict(table.channels),
        max_lag=table.max_lag,
        writable=table.writable,
        local_tables=table.local_tables,
        delay=table.delay,
        restart_transient=table.restart_transient,
        host=HostSpec(shell=table.host.shell, stop=table.host.stop, start=table.host.start, threads=table.host.threads)
        if table.host
        else None,
    )


def _secret(source: SecretSource | None, folder: Path) -> SecretSource | None:
    return _placed(source, folder) if source is not None else None


def _placed(source: SecretSource, folder: Path) -> SecretSource:
    if isinstance(source, FileSecret):
        return FileSecret(folder / source.path)
    if isinstance(source, CommandSecret) and "/" in source.argv[0]:
        return CommandSecret((str(folder / source.argv[0]), *source.argv[1:]))
    return source


def _can_show_a_digest(channel: SlackReceiver | EmailReceiver | WebhookReceiver) -> bool:
    return not isinstance(channel, WebhookReceiver) or channel.form is WebhookForm.REPWATCH


def _receivers(name: str, table: config.Receiver, folder: Path) -> Iterator[Receiver]:
    channels: list[SlackReceiver | EmailReceiver | WebhookReceiver] = []
    if table.slack:
        channels.append(
            SlackReceiver(
                channel=table.slack.channel or "",
                token=_secret(table.slack.token, folder),
                webhook_url=_secret(table.slack.webhook_url, folder),
                api_url=table.slack.api_url or "",
                app_token=_secret(table.slack.app_token, folder),
            )
        )
    if table.email:
        channels.append(
            EmailReceiver(
                to=table.email.to,
                sender=table.email.sender,
                host=table.email.smtp.host,
                port=table.email.smtp.port,
                implicit_tls=table.email.smtp.implicit_tls,
                user=table.email.smtp.user,
                password=_secret(table.email.password, folder),
            )
        )
    if table.webhook:
        hook = table.webhook
        channels.append(WebhookReceiver(url=hook.url, secret=_secret(hook.secret, folder), form=hook.form))
    for channel in channels:
        yield Receiver(
            name=name,
            channel=channel,
            match=table.match,
            min_severity=table.min_severity,
            escalate_after=table.escalate_after,
            remind_every=table.remind_every,
            digest=(table.digest or "") if _can_show_a_digest(channel) else "",
        )

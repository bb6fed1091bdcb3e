"""A validated configuration as plain values. `app/config.py` makes it from TOML, `app/targets.py` from URLs."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from repwatch.model.endpoint import SecretSource
from repwatch.model.finding import Severity
from repwatch.model.topology import ClusterSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackReceiver:
    """Either a bot token with a channel (threads, updates) or an incoming webhook (plain messages)."""

    channel: str = ""
    token: SecretSource | None = None
    webhook_url: SecretSource | None = None
    api_url: str = ""  # overrides Slack's endpoint
    app_token: SecretSource | None = None  # for the button that acknowledges


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailReceiver:
    """One SMTP server and the people behind it. `implicit_tls` is SMTPS; otherwise STARTTLS is used where offered."""

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    implicit_tls: bool = False
    user: str = ""
    password: SecretSource | None = None


class WebhookForm(StrEnum):
    """What the body looks like."""

    REPWATCH = "repwatch"  # the contract's
    PAGERDUTY = "pagerduty"
    ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReceiver:
    """A URL that takes a JSON body. The secret signs the contract's; PagerDuty's form carries it as its routing key."""

    url: str
    secret: SecretSource | None = None
    form: WebhookForm = WebhookForm.REPWATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One receiver of notices. `match` are `cluster[/server[/code]]` patterns; empty means everything."""

    name: str
    channel: SlackReceiver | EmailReceiver | WebhookReceiver
    match: tuple[str, ...] = ()
    min_severity: Severity = Severity.WARNING
    escalate_after: timedelta = timedelta(0)  # told only of what is critical and nobody has acknowledged for so long; 0: at once
    remind_every: timedelta = timedelta(hours=4)  # of what is critical and nobody has acknowledged; 0: never
    digest: str = ""  # `[mon ]08:00`, UTC: when it is told how everything stands; "": never

    @property
    def id(self) -> str:
        """Stable id of the delivery channel: name and kind."""
        kind = {SlackReceiver: "slack", EmailReceiver: "email", WebhookReceiver: "webhook"}[type(self.channel)]
        return f"{self.name}/{kind}"


@dataclass(frozen=True, slots=True)
class PageSpec:
    """Where the status page listens. Port 0 takes a free one."""

    host: str
    port: int
    names: tuple[str, ...] = ()  # what it goes by beside addresses and localhost; none means any, where others reach it
    public: str = ""  # the name by which links lead to it, which is one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """What the links in notices are made of; "" gives none. `{code}`, `{cluster}` and `{server}` in `runbook` are filled in."""

    page: str = ""  # where people reach the status page
    runbook: str = ""


NO_LINKS = LinkSpec()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadManSpec:
    """An address that is called at that interval while repwatch is well."""

    url: SecretSource
    every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run needs. `path` is the configuration file, None where URLs were given instead."""

    clusters: tuple[ClusterSpec, ...]
    receivers: tuple[Receiver, ...] = ()  # one entry for each delivery channel of a configured receiver
    deadman: DeadManSpec | None = None
    store_url: str = ""
    page: PageSpec = field(default_factory=lambda: PageSpec("127.0.0.1", 8080))
    links: LinkSpec = NO_LINKS
    path: Path | None = None
    state_dir: Path = field(default_factory=Path)  # journals of repair and reseed, resumable checks, holds of exact ones

    def cluster(self, name: str) -> ClusterSpec:
        """The cluster of that name. Raises KeyError."""
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        raise KeyError(name)

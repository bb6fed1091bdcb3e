"""The configuration file, key by key: type, unit, default and meaning. `docs/configuration.md` is made from these models."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SkipValidation,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic.fields import FieldInfo

from repwatch.app import config_values as values
from repwatch.app.urls import ServerUrl, config_url
from repwatch.model.endpoint import SecretSource, TlsMode
from repwatch.model.finding import Severity
from repwatch.model.settings import WebhookForm
from repwatch.model.topology import AUTO


@dataclass(frozen=True, slots=True)
class Kind:
    """What the documentation calls a type."""

    text: str


def marks(field: FieldInfo) -> list[Kind]:
    """What a field says of itself, the outermost last."""
    inner = [mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ())]  # of `X | None`
    return [mark for mark in (*inner, *field.metadata) if isinstance(mark, Kind)]


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, strict=True), Kind("name")]
Text = Annotated[str, StringConstraints(min_length=1, strict=True), Kind("text")]
Flag = Annotated[StrictBool, Kind("true or false")]
Duration = Annotated[timedelta, BeforeValidator(values.duration), Kind('duration: "500ms", "5s", "5m", "1h30m", "7d"')]
PositiveDuration = Annotated[timedelta, BeforeValidator(values.positive_duration), Kind("duration, longer than 0s")]
Secret = Annotated[SkipValidation[SecretSource], BeforeValidator(values.secret), Kind(f"secret: {values.SECRET_FORMS}")]
Url = Annotated[InstanceOf[ServerUrl], BeforeValidator(config_url), Kind('"mysql://user@host:port?…"')]
TablePattern = Annotated[str, BeforeValidator(values.table_pattern)]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", strict=True)]
Tls = Annotated[TlsMode, Kind(", ".join(f'"{mode.value}"' for mode in TlsMode))]


class Table(BaseModel):
    """A table of the file: unknown keys are refused, and no message repeats what was typed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Operator(Table):
    """The account that repair, reseed and `drift --proof exact` use on a server; without it they use the watching account.

    Restarts (`restart_transient`) are made with it alone.
    """

    user: Text = Field(description="Its name; host, port and TLS are the server's.")
    password: Secret | None = Field(default=None, description="Its password; none: it logs in without one.")


class Host(Table):
    """The machine of a MariaDB server, for `reseed --method physical`: the source's and the replica's are needed."""

    shell: Annotated[tuple[Text, ...], Kind("list: a command and its arguments")] = Field(
        default=(),
        description='Runs one more argument as a script for `sh` on that machine: `["ssh", "db2"]`; none: this machine. '
        "The user there may read the data folder, and on a replica replace it.",
    )
    stop: Text = Field(
        default="systemctl stop mariadb", description="Stops the server, and returns when it has ended; a script for `sh`."
    )
    start: Text = Field(default="systemctl start mariadb", description="Starts the server; a script for `sh`.")
    threads: Annotated[int, Field(ge=1, le=64, strict=True), Kind("number")] = Field(
        default=4, description="Files that are read (on a source) or written (on a replica) at the same time."
    )


class Server(Table):
    """One server, by its name."""

    url: Url = Field(
        description="Where it is and as whom to log in. Parameters after `?`: socket, tls, ca, defaults_file. "
        "Without a password here, in `password` or in the option file, `REPWATCH_SOURCE_PASSWORD` (the cluster's source), "
        "`REPWATCH_REPLICA_PASSWORD` (any other) or else `REPWATCH_PASSWORD` is used where it is set."
    )
    password: Secret | None = Field(default=None, description="The password of the URL's user, read anew at each connect.")
    tls: Tls | None = Field(
        default=None, description="What the connection demands; default: what the URL or the option file says, else `preferred`."
    )
    ca: Annotated[Text, Kind("path")] | None = Field(default=None, description="The certificate authorities, for verify-*.")
    max_lag: PositiveDuration | None = Field(
        default=None, description="Lag beyond it is a finding and holds a drift check up; default: the cluster's."
    )
    replicates_from: Name | None = Field(
        default=None, description="The server it replicates from; default: the cluster's source."
    )
    channels: Annotated[dict[str, Name], Kind('table: channel = "server"')] = Field(
        default_factory=dict,
        description="Multi-source: the server that each channel replicates from, instead of replicates_from.",
    )
    restart_transient: Flag | None = Field(default=None, description="As the cluster's, for this server; default: the cluster's.")
    operator: Operator | None = None
    host: Host | None = None
    writable: Flag = Field(default=False, description="Writes on this replica are intended: no `replica-writable`.")
    local_tables: Annotated[tuple[TablePattern, ...], Kind('list of "database.table", * and ? as wildcards')] = Field(
        default=(), description="Tables that are the replica's own: never compared, never changed."
    )
    delay: Duration = Field(
        default=timedelta(0), description="The delay that is intended for this replica; lag counts beyond it."
    )

    @model_validator(mode="after")
    def _one_place_each(self) -> Self:
        if self.password is not None and self.url.password is not None:
            raise ValueError("the password stands in url and in password; keep one")
        if self.tls is not None and self.url.tls is not None:
            raise ValueError("tls stands in url and in tls; keep one")
        if self.ca is not None and self.url.ca is not None:
            raise ValueError("ca stands in url and in ca; keep one")
        if self.channels and self.replicates_from:
            raise ValueError("give replicates_from or channels, not both")
        return self


class Replication(Table):
    """The account with which a reseeded replica connects to its source."""

    user: Text = Field(description="Its name; it needs REPLICATION SLAVE on the source.")
    password: Secret | None = Field(default=None, description="Its password.")
    tls: Tls = Field(default=TlsMode.PREFERRED, description="What the replica demands of its connection to the source.")


class Drift(Table):
    """Scheduled drift checks of a cluster."""

    schedule: Annotated[str, BeforeValidator(values.cron), Kind("cron: minute hour day month weekday, UTC")] | None = Field(
        default=None,
        description="When to check every replica of the cluster; weekday 0 and 7 are Sunday. Day and weekday must both fit.",
    )
    prove_within: PositiveDuration | None = Field(
        default=None,
        description="Every table is to be proved within this time; the longest untried is checked first, in the window.",
    )
    window: Annotated[tuple[Annotated[str, BeforeValidator(values.day_window)], ...], Kind('list of "HH:MM-HH:MM", UTC')] = Field(
        default=(), description="The spans of the day in which checks may run; none: always. One that is running then ends."
    )
    max_threads_running: Annotated[int, Field(ge=1, strict=True), Kind("number")] | None = Field(
        default=None, description="Checks wait while more threads than this run on one of the servers; default: 25."
    )
    load: Annotated[int, Field(ge=1, le=100, strict=True), Kind("percent, 1 to 100")] | None = Field(
        default=None,
        description="Checks read the source for at most this share of the time; default: 50 while others write, and 100.",
    )


class Heartbeat(Table):
    """A row that repwatch writes once a second on the source, in the table `repwatch_heartbeat`; lag is told by when it arrives.

    Off without this table of the file. Watching writes nothing else; `repwatch doctor` prints the table and the GRANT it needs.
    """

    database: Text = Field(default="repwatch", description="The schema of the table.")


class Cluster(Table):
    """One source with its replicas, by a name of its own."""

    source: Annotated[Name, Kind('name of a server, or "auto"')] = Field(
        default=AUTO, description="The source; `auto`: the server that the replicas agree on."
    )
    poll_interval: PositiveDuration = Field(default=timedelta(seconds=5), description="Time between two looks at each server.")
    max_lag: PositiveDuration = Field(
        default=timedelta(seconds=30), description="Lag beyond it is a finding, and holds a drift check up."
    )
    maintenance: Annotated[
        tuple[Annotated[str, BeforeValidator(values.maintenance_window)], ...], Kind('list of "[sun ]HH:MM-HH:MM", UTC')
    ] = Field(default=(), description="Times in which nobody is told of the cluster; what is still open afterwards is told then.")
    restart_transient: Flag = Field(
        default=False,
        description="The service starts a replication thread again that has stopped on an error that passes by itself (a "
        "deadlock, a lock, a killed statement, a source that was away), with the `operator` account: three times in half an hour "
        "at most, and never twice for one transaction.",
    )
    servers: dict[Name, Server] = Field(min_length=1)
    replication: Replication | None = None
    heartbeat: Heartbeat | None = None
    drift: Drift = Drift()


class Slack(Table):
    """Slack, as a bot (threads, updates) or by an incoming webhook (plain messages)."""

    channel: Text | None = Field(default=None, description="Where the bot posts: a channel's name or id. With `token`.")
    token: Secret | None = Field(default=None, description="The bot's token (xoxb-…), with the scope chat:write.")
    app_token: Secret | None = Field(
        default=None,
        description="The app's own token (xapp-…), with the scope connections:write: messages get a button that acknowledges. "
        "With `token`; Socket Mode and Interactivity must be on in the app.",
    )
    webhook_url: (
        Annotated[
            SkipValidation[SecretSource], BeforeValidator(values.secret_or_text), Kind(f"URL, or secret: {values.SECRET_FORMS}")
        ]
        | None
    ) = Field(default=None, description="An incoming webhook, instead of channel and token.")
    api_url: Annotated[str, BeforeValidator(values.http_url), Kind("URL")] | None = Field(
        default=None, description="Instead of Slack's own endpoint, https://slack.com/api/."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.token is None) == (self.webhook_url is None):
            raise ValueError("give token (a bot) or webhook_url (an incoming webhook)")
        if self.token is not None and self.channel is None:
            raise ValueError("channel is missing: where the bot posts")
        if self.webhook_url is not None and (self.channel or self.api_url):
            raise ValueError("channel and api_url go with token; a webhook_url has its channel")
        if self.app_token is not None and self.token is None:
            raise ValueError("app_token goes with token: a webhook's messages have no buttons")
        return self


class Email(Table):
    """E-mail, plain text and HTML."""

    to: Annotated[tuple[Annotated[str, BeforeValidator(values.mail_address)], ...], Kind("list of addresses")] = Field(
        min_length=1, description="Who gets it."
    )
    sender: Annotated[str, BeforeValidator(values.mail_address), Kind("address")] = Field(
        alias="from", description="Who it comes from."
    )
    smtp: Annotated[InstanceOf[values.Smtp], BeforeValidator(values.smtp_url), Kind('"smtp://user@host:587" or "smtps://…"')] = (
        Field(
            description="The mail server; smtp uses STARTTLS where it is offered, smtps TLS from the first byte. "
            "Default port: 587 and 465."
        )
    )
    password: Secret | None = Field(default=None, description="The password of the user in `smtp`.")

    @model_validator(mode="after")
    def _user_for_password(self) -> Self:
        if self.password is not None and not self.smtp.user:
            raise ValueError("there is a password and no user: write smtp://user@host")
        return self


class Webhook(Table):
    """A POST of the notice as JSON."""

    url: Annotated[str, BeforeValidator(values.http_url), Kind("URL")] = Field(description="Where to; any 2xx is success.")
    secret: Secret | None = Field(
        default=None, description="Signs the body: X-Repwatch-Signature: sha256=HMAC. For `pagerduty` the integration key."
    )
    form: Annotated[WebhookForm, Kind(", ".join(f'"{form.value}"' for form in WebhookForm))] = Field(
        default=WebhookForm.REPWATCH,
        description="The body: repwatch's own, an event of PagerDuty's Events API v2, or alerts of Alertmanager's API v2.",
    )

    @model_validator(mode="after")
    def _key_for_pagerduty(self) -> Self:
        if self.form is WebhookForm.PAGERDUTY and self.secret is None:
            raise ValueError("secret is missing: PagerDuty's integration key")
        return self


class Receiver(Table):
    """One receiver of notices, by a name of its own; it gets everything, unless match or min_severity narrow it."""

    slack: Slack | None = None
    email: Email | None = None
    webhook: Webhook | None = None
    match: Annotated[
        tuple[Annotated[str, BeforeValidator(values.match_pattern)], ...],
        Kind('list of "cluster[/server[/code]]", * as wildcard'),
    ] = Field(default=(), description="Only incidents that one of these names; none: all.")
    min_severity: Annotated[Severity, Kind('"warning", "critical"')] = Field(
        default=Severity.WARNING, description="Only incidents at least this severe."
    )
    escalate_after: Duration = Field(
        default=timedelta(0),
        description="Only critical incidents that nobody has acknowledged for so long; 0s: everything, at once.",
    )
    remind_every: Duration = Field(
        default=timedelta(hours=4),
        description="Time between reminders of a critical incident that nobody has acknowledged; 0s: none.",
    )

    digest: Annotated[str, BeforeValidator(values.digest_time), Kind('"[mon ]HH:MM", UTC')] | None = Field(
        default=None,
        description="When to tell how everything stands and what happened since the last time, each day or on that weekday; "
        "none: never. By Slack, e-mail and repwatch's own form of webhook.",
    )

    @model_validator(mode="after")
    def _some_way(self) -> Self:
        if self.slack is None and self.email is None and self.webhook is None:
            raise ValueError("give at least one of slack, email and webhook")
        if self.digest and not (self.slack or self.email) and self.webhook and self.webhook.form is not WebhookForm.REPWATCH:
            raise ValueError(f"a digest is no alert: {self.webhook.form.value} has no form for it")
        return self


class Store(Table):
    """Where observations, incidents and notices are kept."""

    url: Annotated[str, BeforeValidator(values.store_url), Kind('"sqlite:///path" or "postgresql+psycopg://…"')] = Field(
        default="sqlite:///repwatch.db",
        description="A database of its own, and one service on it. The journals of repair and reseed lie beside an SQLite "
        "file. PostgreSQL: not through a pooler that hands sessions out by the transaction.",
    )


class Web(Table):
    """The status page."""

    listen: Annotated[InstanceOf[values.HostPort], BeforeValidator(values.host_port), Kind('"host:port"')] = Field(
        default=values.HostPort("127.0.0.1", 8080),
        description="Where it listens; there is no login, and drift reports show rows: keep it from strangers.",
    )
    hosts: Annotated[tuple[HostName, ...], Kind("list of host names")] = Field(
        default=(),
        description="Names under which people reach the page, such as that of a proxy. Others are refused, except addresses and "
        "`localhost`; where `listen` is no loopback address, an empty list means any name.",
    )
    url: Annotated[str, BeforeValidator(values.public_url), Kind("URL")] | None = Field(
        default=None,
        description="Where people reach the page; notices link to it, and its name counts as one of `hosts`. None: no such link.",
    )


class Notices(Table):
    """What all notices have in common."""

    runbook: Annotated[str, BeforeValidator(values.runbook_url), Kind("URL")] | None = Field(
        default=None,
        description="Your own page for what is told of, linked in each notice; `{code}`, `{cluster}` and `{server}` in it are "
        "filled in. None: notices name `repwatch explain CODE` instead.",
    )


class DeadMan(Table):
    """A sign of life: an address that is called while repwatch is well, at a service that tells people when the calls stop."""

    url: Annotated[
        SkipValidation[SecretSource], BeforeValidator(values.secret_or_text), Kind(f"URL, or secret: {values.SECRET_FORMS}")
    ] = Field(description="Gets a POST; as healthchecks.io, Dead Man's Snitch and the like give it.")
    every: PositiveDuration = Field(default=timedelta(minutes=1), description="Time between two calls.")


class Configuration(Table):
    """The whole file."""

    deadman: DeadMan | None = None
    store: Store = Store()
    web: Web = Web()
    notices: Notices = Notices()
    clusters: dict[Name, Cluster] = Field(min_length=1)
    receivers: dict[Name, Receiver] = Field(default_factory=dict)

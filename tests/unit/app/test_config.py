"""The configuration: what is read, what is refused, on which line, and that no secret is repeated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger

from repwatch.app.config import find_config, load_config
from repwatch.app.config_values import cron
from repwatch.errors import ConfigError, UsageError
from repwatch.model.endpoint import CommandSecret, EnvSecret, FileSecret, LiteralSecret, TlsMode
from repwatch.model.finding import Severity
from repwatch.model.server import Address
from repwatch.model.settings import EmailReceiver, SlackReceiver, WebhookReceiver

FULL = """\
[store]
url = "sqlite:///state/repwatch.db"
[web]
listen = "[::1]:9090"
[clusters.shop]
source = "db1"
poll_interval = "1.5s"
max_lag = "1m30s"
[clusters.shop.servers.db1]
url = "mysql://repwatch@10.0.0.1:3307"
password = { file = "secrets/db1" }
tls = "verify-ca"
ca = "ca.pem"
[clusters.shop.servers.db2]
url = "mysql://repwatch@10.0.0.2?tls=required"
password = { command = ["bin/secret", "db2"] }
max_lag = "5m"
replicates_from = "db1"
operator = { user = "op", password = { env = "OP" } }
writable = true
local_tables = ["tmp.*"]
delay = "1h"
[clusters.shop.servers.db3]
url = "mysql://repwatch:geheim@?socket=/run/db3.sock"
channels = { billing = "db1", "" = "db2" }
[clusters.shop.replication]
user = "repl"
password = { env = "REPL" }
tls = "required"
[clusters.shop.drift]
schedule = "0 2 * * 1-5"
prove_within = "7d"
window = ["22:00-06:00"]
[receivers.oncall]
slack = { channel = "#db", token = { env = "SLACK" }, api_url = "http://127.0.0.1:1/api/" }
match = ["shop/*/applier-*"]
min_severity = "critical"
[receivers.oncall.email]
to = ["dba@example.com"]
from = "repwatch <repwatch@example.com>"
smtp = "smtps://user%40x@mail.example.com"
password = { env = "MAIL" }
[receivers.hook]
webhook = { url = "https://example.com/x", secret = { file = "hook" } }
"""
MINIMAL = '[clusters.shop.servers.db1]\nurl = "mysql://u@h"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "repwatch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[tuple[int, str]]:
    """Line and key of each problem."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as refusal:
        load_config(path)
    assert "geheim" not in str(refusal.value)
    told = []
    for problem in refusal.value.problems:
        place, key, words = problem.split(": ", 2)
        assert place.startswith(f"{path}, line ")
        assert words
        told.append((int(place.rpartition(" ")[2]), key))
    return told


def test_everything_that_can_be_said_is_read(tmp_path: Path) -> None:
    settings = load_config(written(tmp_path, FULL))
    (cluster,) = settings.clusters
    db1, db2, db3 = cluster.servers
    assert settings.store_url == f"sqlite:///{tmp_path}/state/repwatch.db"
    assert settings.state_dir == tmp_path / "state"
    assert (settings.page.host, settings.page.port) == ("::1", 9090)
    assert (cluster.source, cluster.poll_interval, cluster.max_lag) == ("db1", timedelta(seconds=1.5), timedelta(seconds=90))
    assert cluster.drift.schedule == "0 2 * * mon,tue,wed,thu,fri"
    assert (cluster.drift.prove_within, cluster.drift.window) == (timedelta(days=7), ("22:00-06:00",))
    assert cluster.replication is not None
    assert (cluster.replication.user, cluster.replication.password) == ("repl", EnvSecret("REPL"))
    assert db1.endpoint.password == FileSecret(tmp_path / "secrets/db1")
    assert (db1.endpoint.tls, db1.endpoint.ca) == (TlsMode.VERIFY_CA, tmp_path / "ca.pem")
    assert db2.endpoint.password == CommandSecret((str(tmp_path / "bin/secret"), "db2"))
    assert db2.endpoint.tls is TlsMode.REQUIRED
    assert db2.operator is not None
    assert (db2.operator.user, db2.operator.address, db2.operator.tls) == ("op", Address("10.0.0.2"), TlsMode.REQUIRED)
    assert (db2.max_lag, db2.delay, db2.writable) == (timedelta(minutes=5), timedelta(hours=1), True)
    assert (db2.local_tables, db2.replicates_from) == (("tmp.*",), "db1")
    assert (db3.endpoint.password, db3.channels) == (LiteralSecret("geheim"), {"billing": "db1", "": "db2"})
    slack, email, hook = settings.receivers
    assert slack.channel == SlackReceiver(channel="#db", token=EnvSecret("SLACK"), api_url="http://127.0.0.1:1/api/")
    assert (slack.match, slack.min_severity) == (("shop/*/applier-*",), Severity.CRITICAL)
    assert email.channel == EmailReceiver(
        to=("dba@example.com",),
        sender="repwatch <repwatch@example.com>",
        host="mail.example.com",
        port=465,
        implicit_tls=True,
        user="user@x",
        password=EnvSecret("MAIL"),
    )
    assert hook.channel == WebhookReceiver(url="https://example.com/x", secret=FileSecret(tmp_path / "hook"))


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    settings = load_config(written(tmp_path, MINIMAL))
    (cluster,) = settings.clusters
    assert (cluster.source, cluster.poll_interval, cluster.max_lag) == ("auto", timedelta(seconds=5), timedelta(seconds=30))
    assert settings.store_url == f"sqlite:///{tmp_path}/repwatch.db"
    assert (settings.page.host, settings.page.port) == ("127.0.0.1", 8080)
    assert cluster.servers[0].endpoint.password is None


OPERATED = 'operator = { user = "op" }\n'
REPLICA = MINIMAL.replace("db1", "db2").replace("@h", "@h2")


@pytest.mark.parametrize(
    ("text", "page", "runbook"),
    [
        ("", "", ""),
        ('[web]\nurl = "https://Repwatch.example.com"\n', "https://Repwatch.example.com/", ""),
        ('[web]\nurl = "http://h:8080/db/"\n', "http://h:8080/db/", ""),
        ('[notices]\nrunbook = "https://wiki/{code}?s={server}#{cluster}"\n', "", "https://wiki/{code}?s={server}#{cluster}"),
        ('[notices]\nrunbook = "https://wiki/a@b"\n', "", "https://wiki/a@b"),
    ],
)
def test_links(tmp_path: Path, text: str, page: str, runbook: str) -> None:
    settings = load_config(written(tmp_path, text + MINIMAL))
    assert (settings.links.page, settings.links.runbook) == (page, runbook)


@pytest.mark.parametrize(
    ("text", "restarted"),
    [
        ("[clusters.shop]\n" + MINIMAL + OPERATED, []),
        ("[clusters.shop]\nrestart_transient = true\n" + MINIMAL + OPERATED, ["db1"]),
        ('[clusters.shop]\nsource = "db1"\nrestart_transient = true\n' + MINIMAL + REPLICA + OPERATED, ["db2"]),
        ('[clusters.shop]\nsource = "db1"\nrestart_transient = true\n' + MINIMAL + REPLICA + "restart_transient = false\n", []),
        (MINIMAL + OPERATED + REPLICA + OPERATED + "restart_transient = true\n", ["db2"]),
    ],
)
def test_threads_are_restarted_where_that_is_said(tmp_path: Path, text: str, restarted: list[str]) -> None:
    """A source that the configuration names needs no operator for it."""
    (cluster,) = load_config(written(tmp_path, text)).clusters
    assert [server.name for server in cluster.servers if cluster.restarts(server)] == restarted


def test_passwords_that_nobody_names_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[clusters.a]\nsource = "s"\n[clusters.a.servers]\ns.url = "mysql://u@a"\nr.url = "mysql://u@b"\n'
    monkeypatch.setenv("REPWATCH_PASSWORD", "x")
    monkeypatch.setenv("REPWATCH_SOURCE_PASSWORD", "y")
    source, replica = load_config(written(tmp_path, text)).clusters[0].servers
    assert source.endpoint.password == EnvSecret("REPWATCH_SOURCE_PASSWORD")
    assert replica.endpoint.password == EnvSecret("REPWATCH_PASSWORD")


def test_every_problem_is_told_at_once_with_its_line_and_key(tmp_path: Path) -> None:
    text = """\
[stor]
url = "sqlite:///x"
[clusters.shop]
source = "db9"
poll_intervall = "5s"
max_lag = 30
[clusters.shop.servers.db1]
url = "mysql://repwatch:geheim@10.0.0.1/x"
password = "geheim"
tls = "always"
[clusters.shop.servers.db2]
url = "mysql://10.0.0.2"
writable = "geheim"
[receivers.oncall.slack]
channel = "#db"
tokn = { env = "X" }
"""
    assert problems(tmp_path, text) == [
        (1, "stor"),
        (4, "clusters.shop.source"),
        (5, "clusters.shop.poll_intervall"),
        (6, "clusters.shop.max_lag"),
        (8, "clusters.shop.servers.db1.url"),
        (9, "clusters.shop.servers.db1.password"),
        (10, "clusters.shop.servers.db1.tls"),
        (12, "clusters.shop.servers.db2.url"),
        (13, "clusters.shop.servers.db2.writable"),
        (16, "receivers.oncall.slack.tokn"),
    ]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stor = 1\n" + MINIMAL, "store"),
        ("[clusters.a]\nmax_lga = 1\n" + MINIMAL, "max_lag"),
        (MINIMAL + "pasword = 1\n", "password"),
        (MINIMAL + "[receivers.x.email]\nform = 1\n", "from"),
        (MINIMAL + "[clusters.shop.drift]\nshedule = 1\n", "schedule"),
        ('[clusters.a]\nsource = "bd1"\n[clusters.a.servers.db1]\nurl = "mysql://u@h"\n', "db1"),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_was_meant(tmp_path: Path, typed: str, meant: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(written(tmp_path, typed))
    assert any(f"did you mean {meant!r}?" in problem for problem in refusal.value.problems)


SERVERS = '[clusters.c.servers]\na.url = "mysql://u@a"\nb.url = "mysql://u@b"\nc.url = "mysql://u@c"\n'


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("", 1, "clusters"),
        ("clusters = {}\n", 1, "clusters"),
        ("[clusters.a]\n", 1, "clusters.a.servers"),
        ("[clusters.a.servers.b]\n", 1, "clusters.a.servers.b.url"),
        ('[clusters."a b".servers.b]\nurl = "mysql://u@h"\n', 1, 'clusters."a b"'),
        ('[clusters.a.servers."x/y"]\nurl = "mysql://u@h"\n', 1, 'clusters.a.servers."x/y"'),
        ('[clusters.a.servers.auto]\nurl = "mysql://u@h"\n', 1, "clusters.a.servers.auto"),
        (MINIMAL + 'url2 = "x"\n', 3, "clusters.shop.servers.db1.url2"),
        ('[clusters.a.servers.b]\nurl = "mysql://u:geheim@h"\npassword = { env = "X" }\n', 1, "clusters.a.servers.b"),
        (MINIMAL + 'password = { env = "X", file = "y" }\n', 3, "clusters.shop.servers.db1.password"),
        (MINIMAL + 'password = { secret = "geheim" }\n', 3, "clusters.shop.servers.db1.password"),
        (MINIMAL + "password = { command = [] }\n", 3, "clusters.shop.servers.db1.password"),
        (MINIMAL + 'operator = { user = "o", password = "geheim" }\n', 3, "clusters.shop.servers.db1.operator.password"),
        (MINIMAL + 'operator = { password = { env = "X" } }\n', 3, "clusters.shop.servers.db1.operator.user"),
        (MINIMAL + 'tls = "verify-ca"\n', 2, "clusters.shop.servers.db1.url"),
        (MINIMAL + 'replicates_from = "db1"\n', 3, "clusters.shop.servers.db1.replicates_from"),
        (MINIMAL + 'channels = { x = "db9" }\n', 3, "clusters.shop.servers.db1.channels.x"),
        (MINIMAL + 'local_tables = ["nodot"]\n', 3, "clusters.shop.servers.db1.local_tables[0]"),
        (MINIMAL + 'delay = "-1s"\n', 3, "clusters.shop.servers.db1.delay"),
        (MINIMAL + "max_lag = 5\n", 3, "clusters.shop.servers.db1.max_lag"),
        ('[clusters.shop]\npoll_interval = "0s"\n' + MINIMAL, 2, "clusters.shop.poll_interval"),
        (SERVERS + 'b.replicates_from = "c"\nc.replicates_from = "b"\n', 5, "clusters.c.servers.b.replicates_from"),
        ('[clusters.c]\nsource = "a"\n' + SERVERS + 'a.replicates_from = "b"\n', 7, "clusters.c.servers.a.replicates_from"),
        (SERVERS + 'd.url = "mysql://other@A:3306"\n', 5, "clusters.c.servers.d.url"),
        ('[web]\nlisten = "8080"\n' + MINIMAL, 2, "web.listen"),
        ('[web]\nlisten = "::1:8080"\n' + MINIMAL, 2, "web.listen"),
        ('[web]\nlisten = "h:99999"\n' + MINIMAL, 2, "web.listen"),
        ('[web]\nurl = "repwatch.example.com"\n' + MINIMAL, 2, "web.url"),
        ('[web]\nurl = "https://u:geheim@h/"\n' + MINIMAL, 2, "web.url"),
        ('[web]\nurl = "https://h/?token=geheim"\n' + MINIMAL, 2, "web.url"),
        ('[notices]\nrunbook = "wiki/{code}"\n' + MINIMAL, 2, "notices.runbook"),
        ("[notices]\nrunbook = 5\n" + MINIMAL, 2, "notices.runbook"),
        ('[notices]\nrunbook = "https://h/{table}"\n' + MINIMAL, 2, "notices.runbook"),
        ('[notices]\nrunbook = "https://h/{code|x>"\n' + MINIMAL, 2, "notices.runbook"),
        ('[notices]\nrunbook = "https://u:geheim@h/{code}"\n' + MINIMAL, 2, "notices.runbook"),
        ('[store]\nurl = "sqlite://"\n' + MINIMAL, 2, "store.url"),
        ('[store]\nurl = "mysql://u:geheim@h/x"\n' + MINIMAL, 2, "store.url"),
        (MINIMAL + '[clusters.shop.drift]\nschedule = "0 25 * * *"\n', 4, "clusters.shop.drift.schedule"),
        (MINIMAL + '[clusters.shop.drift]\nschedule = "@daily"\n', 4, "clusters.shop.drift.schedule"),
        (MINIMAL + '[clusters.shop.drift]\nwindow = ["22-06"]\n', 4, "clusters.shop.drift.window[0]"),
        (MINIMAL + "[receivers.x]\n", 3, "receivers.x"),
        (MINIMAL + '[receivers.x]\npager = { key = "geheim" }\n', 4, "receivers.x.pager"),
        (MINIMAL + '[receivers.x]\nslack = { channel = "#x" }\n', 4, "receivers.x.slack"),
        (MINIMAL + '[receivers.x]\nslack = { token = { env = "X" } }\n', 4, "receivers.x.slack"),
        (MINIMAL + '[receivers.x]\nslack = { channel = "#x", token = "xoxb-geheim" }\n', 4, "receivers.x.slack.token"),
        (MINIMAL + '[receivers.x]\nwebhook = { url = "ftp://geheim" }\n', 4, "receivers.x.webhook.url"),
        (MINIMAL + '[receivers.x]\nwebhook = { url = "http://x", secret = "geheim" }\n', 4, "receivers.x.webhook.secret"),
        (MINIMAL + '[receivers.x]\nwebhook = { url = "http://x", form = "pagerduty" }\n', 4, "receivers.x.webhook"),
        (MINIMAL + '[receivers.x]\nwebhook = { url = "http://x", form = "xml" }\n', 4, "receivers.x.webhook.form"),
        (MINIMAL + '[receivers.x]\nwebhook = { url = "http://x" }\nmin_severity = "high"\n', 5, "receivers.x.min_severity"),
        (MINIMAL + '[receivers.x]\nwebhook = { url = "http://x" }\nmatch = ["a/b/c/d"]\n', 5, "receivers.x.match[0]"),
        (MINIMAL + '[receivers.x.email]\nto = []\nfrom = "a@b"\nsmtp = "smtp://h"\n', 4, "receivers.x.email.to"),
        (
            MINIMAL + '[receivers.x.email]\nto = ["a@b"]\nfrom = "a@b\\nBcc: c@d"\nsmtp = "smtp://h"\n',
            5,
            "receivers.x.email.from",
        ),
        (MINIMAL + '[receivers.x.email]\nto = ["a@b"]\nfrom = "a@b"\nsmtp = "smtp://u:geheim@h"\n', 6, "receivers.x.email.smtp"),
        (MINIMAL + '[receivers.x.email]\nto = ["a@b"]\nfrom = "a@b"\nsmtp = "smtp://h:0"\n', 6, "receivers.x.email.smtp"),
        (MINIMAL + "restart_transient = true\n", 3, "clusters.shop.servers.db1.restart_transient"),
        ("[clusters.shop]\nrestart_transient = true\n" + MINIMAL, 3, "clusters.shop.servers.db1"),
        ('[clusters.shop]\nrestart_transient = "yes"\n' + MINIMAL, 2, "clusters.shop.restart_transient"),
        ("clusters = 5\n", 1, "clusters"),
        ("[clusters]\na = 5\n", 2, "clusters.a"),
        ("[clusters.a]\nservers = [1]\n", 2, "clusters.a.servers"),
    ],
)
def test_one_problem_is_told_once_where_it_is(tmp_path: Path, text: str, line: int, key: str) -> None:
    assert problems(tmp_path, text) == [(line, key)]


@pytest.mark.parametrize(
    "text", ["[clusters\n", "a = geheim\n", "a = 1\na = 2\n", '[a]\nx = "geheim\n', "= 1\n", "\ufeffa = 1\n"]
)
def test_what_is_no_toml_is_told_with_line_and_column(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"line \d+, column \d+|end of document") as refusal:
        load_config(written(tmp_path, text))
    assert "geheim" not in str(refusal.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "repwatch.toml"
    path.write_bytes(b'[store]\nurl = "\xff"\n')
    with pytest.raises(ConfigError, match="line 2"):
        load_config(path)


@pytest.mark.parametrize("name", ["missing.toml", ".", "missing/x.toml"])
def test_a_file_that_cannot_be_read_is_answered_with_a_hint(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_config(tmp_path / name)
    assert "repwatch init" in refusal.value.hint


def test_a_named_file_counts_before_the_environment_and_that_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, MINIMAL)
    monkeypatch.setenv("REPWATCH_CONFIG", "/elsewhere.toml")
    assert find_config(Path("named.toml")) == Path("named.toml")
    assert find_config(None) == Path("/elsewhere.toml")
    monkeypatch.setenv("REPWATCH_CONFIG", "")
    assert find_config(None) == Path("repwatch.toml")
    (tmp_path / "repwatch.toml").unlink()
    with pytest.raises(UsageError) as refusal:
        find_config(None)
    assert "repwatch init" in refusal.value.hint


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 2 * * 0", {6}),
        ("0 2 * * 7", {6}),
        ("0 2 * * 1", {0}),
        ("0 2 * * 1-5", {0, 1, 2, 3, 4}),
        ("0 2 * * 5-7", {4, 5, 6}),
        ("0 2 * * 0-1", {6, 0}),
        ("0 2 * * */2", {6, 1, 3, 5}),
        ("0 2 * * *", set(range(7))),
        ("*/20 2 * 1-12/2 3,6", {2, 5}),
    ],
)
def test_a_schedule_means_what_it_means_in_a_crontab(text: str, days: set[int]) -> None:
    """The oracle is the calendar: weekday() counts from Monday."""
    trigger = CronTrigger.from_crontab(cron(text), timezone=UTC)
    at: datetime | None = datetime(2026, 1, 1, tzinfo=UTC)
    fired = set()
    for _ in range(30):
        at = trigger.get_next_fire_time(at, at)
        assert at is not None
        fired.add(at.weekday())
        at += timedelta(minutes=1)
    assert fired == days

"""`repwatch doctor` on real servers: nothing to say where all is well, and what it prints is what is needed."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox
from tests.server.first_contact import account, as_account, repwatch, url


def doctor(*words: str, folder: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON."""
    done = repwatch("doctor", "--format", "json", *words, folder=folder, **environment)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def problems(document: dict[str, Any]) -> list[tuple[str | None, str]]:
    """Server and topic of each problem."""
    servers = [(server["name"], server["remarks"]) for cluster in document["clusters"] for server in cluster["servers"]]
    places = [(None, document["remarks"]), *servers]
    return [(name, remark["topic"]) for name, remarks in places for remark in remarks if remark["level"] == "problem"]


def grants(document: dict[str, Any]) -> Iterator[str]:
    for cluster in document["clusters"]:
        for server in cluster["servers"]:
            for remark in server["remarks"]:
                yield from remark["grants"]


# To copy whole servers: the sandbox's MariaDB servers have a machine, and its MySQL servers no clone plugin.
WAYS = {("machine", "good"), ("machine", "problem"), ("cloning", "good"), ("cloning", "note")}


@pytest.fixture
def config(star: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "repwatch.toml"
    path.write_text(star.configuration())
    return path


def test_the_operator_may_restart_threads_where_that_is_wanted(star: Sandbox, config: Path, tmp_path: Path) -> None:
    config.write_text(star.configuration().replace("[clusters.shop]\n", "[clusters.shop]\nrestart_transient = true\n"))
    _, document = doctor("--config", str(config), folder=tmp_path)
    (cluster,) = document["clusters"]
    found = {s["name"]: [r["level"] for r in s["remarks"] if r["topic"] == "restart"] for s in cluster["servers"]}
    assert found == {"source": [], "replica1": ["good"], "replica2": ["good"]}


def test_a_healthy_cluster_has_no_problems(star: Sandbox, config: Path, tmp_path: Path) -> None:
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert (status, document["state"], problems(document)) == (0, "ok", [])
    (cluster,) = document["clusters"]
    assert [(server["name"], server["role"]) for server in cluster["servers"]] == [
        ("source", "source"),
        ("replica1", "replica"),
        ("replica2", "replica"),
    ]
    for server in cluster["servers"]:
        topics = {remark["topic"] for remark in server["remarks"] if remark["level"] == "good"}
        assert {"connection", "privileges", "operator-account", "server-id"} <= topics
        assert server["server"] == str(star.server(server["name"]).address)
        assert server["version"].startswith("MariaDB" if star.flavour is Flavour.MARIADB else "MySQL")
        ways = {(remark["topic"], remark["level"]) for remark in server["remarks"]} & WAYS
        assert ways == {("machine", "good") if star.flavour is Flavour.MARIADB else ("cloning", "note")}
    text = repwatch("doctor", "shop", "--config", str(config), folder=tmp_path)
    assert text.returncode == 0
    assert "✗" not in text.stdout


def test_the_printed_grants_are_just_what_is_missing(star: Sandbox, tmp_path: Path) -> None:
    """Invariant: after the printed statements and nothing else, nothing is missing."""
    password = secrets.token_hex(8)
    with account(star, "bare", password) as user:
        urls = ["--source", as_account(star.source, "bare", password)]
        urls += [word for replica in star.replicas for word in ("--replica", as_account(replica, "bare", password))]
        status, document = doctor(*urls, folder=tmp_path)
        assert status == 1
        assert {topic for _, topic in problems(document)} == {"privileges"}
        statements = sorted(set(grants(document)))
        assert statements
        assert all(statement.endswith(f" TO {user};") for statement in statements)
        star.source.sql(*(statement.rstrip(";") for statement in statements))
        star.wait_caught_up(60)
        status, document = doctor(*urls, folder=tmp_path)
        assert (status, problems(document)) == (0, [])


def test_the_operators_missing_grants_are_printed_too(star: Sandbox, config: Path, tmp_path: Path) -> None:
    password = secrets.token_hex(8)
    with account(star, "weak", password):
        text = config.read_text().replace('user = "repwatch_op"', 'user = "weak"').replace("/repwatch_op", "/weak")
        config.write_text(text)
        secret = star.folder / "secrets" / "weak"
        secret.touch(mode=0o600)
        secret.write_text(password)
        status, document = doctor("--config", str(config), folder=tmp_path)
        assert status == 1
        assert {topic for _, topic in problems(document)} == {"operator-account"}
        star.source.sql(*(statement.rstrip(";") for statement in set(grants(document))))
        star.wait_caught_up(60)
        status, document = doctor("--config", str(config), folder=tmp_path)
        assert (status, problems(document)) == (0, [])
        secret.unlink()


def test_a_replica_of_somewhere_else_is_told(config: Path, tmp_path: Path) -> None:
    text = config.read_text().replace(
        "[clusters.shop.servers.replica2]", '[clusters.shop.servers.replica2]\nreplicates_from = "replica1"'
    )
    config.write_text(text)
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert (status, problems(document)) == (1, [("replica2", "replication")])
    told = repwatch("doctor", "--config", str(config), folder=tmp_path).stdout
    assert "and should from replica1" in told


def test_a_source_named_wrongly_is_told(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace('source = "source"', 'source = "replica1"', 1))
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert status == 1
    assert {name for name, topic in problems(document) if topic == "replication"} == {"source", "replica2"}


def test_one_server_under_two_names_is_told(star: Sandbox, config: Path, tmp_path: Path) -> None:
    twin = f"mysql://repwatch@localhost:{star.replicas[0].port}"
    text = config.read_text().replace(f"mysql://repwatch@{star.replicas[1].address}", twin)
    config.write_text(text)
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert status == 1
    assert {("replica1", "same-server"), ("replica2", "same-server")} <= set(problems(document))


def test_the_source_that_the_replicas_agree_on_is_found(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace('source = "source"', 'source = "auto"', 1))
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert (status, problems(document)) == (0, [])
    assert [server["role"] for server in document["clusters"][0]["servers"]] == ["source", "replica", "replica"]


def test_a_server_that_is_gone_does_not_hide_the_others(star: Sandbox, config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace(str(star.replicas[0].address), "127.0.0.1:1"))
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert (status, problems(document)) == (1, [("replica1", "connection")])
    assert [bool(server["version"]) for server in document["clusters"][0]["servers"]] == [True, False, True]


def test_what_is_wrong_on_this_machine_is_told(star: Sandbox, config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("geheimnis\n")
    secret.chmod(0o644)
    extra = f"""
[store]
url = "sqlite:///missing/repwatch.db"
[receivers.hook]
webhook = {{ url = "http://127.0.0.1:1/x", secret = {{ file = "{secret}" }} }}
[receivers.mail.email]
to = ["dba@example.com"]
from = "repwatch@example.com"
smtp = "smtp://u@127.0.0.1:1"
password = {{ env = "NOT_SET" }}
"""
    config.write_text(config.read_text() + extra)
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert status == 1
    assert sorted(topic for name, topic in problems(document) if name is None) == [
        "receiver",
        "receiver",
        "secrets",
        "secrets",
        "store",
    ]
    assert "geheimnis" not in json.dumps(document)


def test_a_url_of_root_and_no_configuration_is_enough(star: Sandbox, tmp_path: Path) -> None:
    status, document = doctor("--source", url(star.source), "--replica", url(star.replicas[0], Account.WATCH), folder=tmp_path)
    assert (status, problems(document)) == (0, [])
    assert [server["name"] for server in document["clusters"][0]["servers"]] == [None, None]


def test_what_a_source_does_not_log(flavour: Flavour, tmp_path: Path) -> None:
    with Sandbox.start(flavour, replicas=0, options=("--binlog-ignore-db=Scratch",)) as box:
        path = tmp_path / "repwatch.toml"
        path.write_text(box.configuration())
        _, document = doctor("--config", str(path), folder=tmp_path)
    remarks = document["clusters"][0]["servers"][0]["remarks"]
    found = [remark for remark in remarks if remark["topic"] == "binlog"]
    assert [remark["level"] for remark in found] == ["note"]
    assert "Scratch" in found[0]["text"]

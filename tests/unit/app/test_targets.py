"""From the command line to servers: URLs instead of a configuration, names of servers, where a password comes from."""

from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.app.targets import (
    by_source,
    choose_cluster,
    choose_replica,
    compared_with,
    load_settings,
    replica_targets,
    source_of,
)
from repwatch.errors import UsageError
from repwatch.model.endpoint import EnvSecret, LiteralSecret
from repwatch.model.settings import Settings
from repwatch.model.topology import AUTO

CONFIG = """\
[clusters.shop]
source = "db1"
[clusters.shop.servers]
db1.url = "mysql://u@10.0.0.1"
db2.url = "mysql://u@10.0.0.2"
db3 = { url = "mysql://u@10.0.0.3", replicates_from = "db2" }
[clusters.crm]
source = "db1"
[clusters.crm.servers]
db1.url = "mysql://u@10.1.0.1"
db2.url = "mysql://u@10.1.0.2"
wide = { url = "mysql://u@10.1.0.3", channels = { a = "db1", b = "other" } }
other.url = "mysql://u@10.1.0.4"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "repwatch.toml"
    path.write_text(CONFIG)
    return load_settings(path, None, (), None)


def no_terminal(prompt: str) -> str | None:
    return None


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("db3", "shop/db3"),
        ("shop/db2", "shop/db2"),
        ("crm/db2", "crm/db2"),
        ("10.0.0.2:3306", "shop/db2"),
        ("crm/10.1.0.2:3306", "crm/db2"),
    ],
)
def test_a_replica_is_found_by_each_of_its_names(settings: Settings, name: str, label: str) -> None:
    cluster, server = choose_replica(settings, name)
    assert f"{cluster.name}/{server.label}" == label


@pytest.mark.parametrize(
    ("name", "hint"),
    [("db2", "shop/db2, crm/db2"), ("db4", "db3"), (None, "shop/db2"), ("shop/db1", "shop/db2"), ("nothing-like-it", "shop/db2")],
)
def test_a_name_that_is_not_one_replica_is_refused_with_what_there_is(settings: Settings, name: str | None, hint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        choose_replica(settings, name)
    assert hint in refusal.value.hint


def test_a_url_in_the_place_of_a_name_is_not_repeated(settings: Settings) -> None:
    for choose in (choose_replica, choose_cluster):
        with pytest.raises(UsageError) as refusal:
            choose(settings, "mysql://u:geheim@h")
        assert "geheim" not in str(refusal.value)


def test_a_cluster_may_be_left_out_where_there_is_one(settings: Settings, tmp_path: Path) -> None:
    assert choose_cluster(settings, "crm").name == "crm"
    with pytest.raises(UsageError, match="several"):
        choose_cluster(settings, None)
    with pytest.raises(UsageError) as refusal:
        choose_cluster(settings, "shpo")
    assert "'shop'" in refusal.value.hint
    alone = load_settings(None, "mysql://u:p@h", (), tmp_path)
    assert choose_cluster(alone, None) is alone.clusters[0]


def test_the_source_of_a_replica_is_the_nearest_that_is_said(settings: Settings) -> None:
    shop, crm = settings.clusters
    assert source_of(shop, shop.server("db2"), "").name == "db1"
    assert source_of(shop, shop.server("db3"), "").name == "db2"
    assert source_of(crm, crm.server("wide"), "b").name == "other"
    assert [(target.server.name, target.channel) for target in replica_targets(crm)] == [
        ("db2", ""),
        ("wide", "a"),
        ("wide", "b"),
    ]
    assert crm.upstream(crm.server("other")) == {}


def test_urls_make_a_cluster_and_a_configuration_is_then_ignored(tmp_path: Path) -> None:
    urls = ("mysql://u:p@b", "mysql://u:p@c?channel=x")
    settings = load_settings(tmp_path / "missing.toml", "mysql://u:p@a", urls, tmp_path)
    (cluster,) = settings.clusters
    assert (cluster.name, cluster.source, settings.path) == ("adhoc", "a:3306", None)
    assert [server.name for server in cluster.servers] == [None, None, None]
    assert [(target.server.label, target.channel) for target in replica_targets(cluster)] == [("b:3306", ""), ("c:3306", "x")]
    assert source_of(cluster, cluster.servers[2], "x") is cluster.servers[0]
    assert settings.state_dir == tmp_path


def test_a_replica_alone_has_a_source_that_is_not_settled(tmp_path: Path) -> None:
    settings = load_settings(None, None, ("mysql://u:p@b",), tmp_path)
    cluster, server = choose_replica(settings, None)
    assert cluster.source == AUTO
    with pytest.raises(UsageError):
        source_of(cluster, server, "")


@pytest.mark.parametrize(("source", "replicas"), [("mysql://u:p@a", ("mysql://u:p@A:3306",)), (None, ("mysql://u:p@a",) * 2)])
def test_one_server_given_twice_is_refused(source: str | None, replicas: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        load_settings(None, source, replicas, tmp_path)


def test_passwords_come_from_the_variable_of_the_role_then_the_common_one_then_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    def passwords() -> list[object]:
        settings = load_settings(None, "mysql://u@a", ("mysql://u@b", "mysql://u:mine@c", "mysql://u:@d"), tmp_path, ask=ask)
        return [server.endpoint.password for server in settings.clusters[0].servers]

    typed = LiteralSecret("typed")
    assert passwords() == [typed, typed, LiteralSecret("mine"), None]
    assert len(asked) == 2
    monkeypatch.setenv("REPWATCH_PASSWORD", "c")
    assert passwords()[:2] == [EnvSecret("REPWATCH_PASSWORD")] * 2
    monkeypatch.setenv("REPWATCH_SOURCE_PASSWORD", "s")
    monkeypatch.setenv("REPWATCH_REPLICA_PASSWORD", "r")
    assert passwords()[:2] == [EnvSecret("REPWATCH_SOURCE_PASSWORD"), EnvSecret("REPWATCH_REPLICA_PASSWORD")]
    assert len(asked) == 2


def test_state_lies_where_the_user_keeps_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert load_settings(None, "mysql://u:p@a", (), None, ask=no_terminal).state_dir == tmp_path / "state" / "repwatch"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(None, "mysql://u:p@a", (), None).state_dir == tmp_path / ".local" / "state" / "repwatch"


def test_a_channel_does_not_go_with_a_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="channel"):
        load_settings(None, "mysql://u:p@a?channel=x", (), tmp_path)


def test_a_trusted_replica_stands_for_its_own_source_alone(settings: Settings) -> None:
    shop, crm = settings.clusters
    wider = replace(shop, servers=(*shop.servers, replace(shop.server("db2"), name="db4")))
    groups = by_source(wider, replica_targets(wider))
    found = compared_with(wider, groups, "db4")
    assert [
        (each.source.name, each.reference and each.reference.server.name, [target.server.name for target in each.replicas])
        for each in found
    ] == [("db1", "db4", ["db2"]), ("db2", None, ["db3"])]
    assert [each.reference for each in compared_with(wider, groups, None)] == [None, None]
    for cluster, name in ((shop, "db1"), (shop, "db2"), (shop, "nobody"), (crm, "db2")):
        with pytest.raises(UsageError):
            compared_with(cluster, by_source(cluster, replica_targets(cluster)), name)

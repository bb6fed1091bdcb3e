"""`repwatch init`: one server's address in, a valid configuration of the whole cluster out."""

from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.app.config import load_config
from repwatch.errors import UsageError
from repwatch.flows.discover import settle_source
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.model.settings import Settings
from repwatch.model.topology import AUTO, ClusterSpec
from repwatch.sandbox import Account, Sandbox
from repwatch.sandbox.plan import chain, multi_source
from tests.server.first_contact import repwatch, url


def discovered(box: Sandbox, start: int, account: Account, folder: Path) -> tuple[Settings, str]:
    """What `init` prints for the box's server number `start`, read back, and what it said."""
    done = repwatch("init", url(box.servers[start], account), folder=folder)
    assert done.returncode == 0, done.stderr
    secret = box.servers[start].endpoint(account).password
    assert isinstance(secret, LiteralSecret)
    assert secret.text not in done.stdout + done.stderr
    path = folder / "repwatch.toml"
    path.write_text(done.stdout)
    return load_config(path), done.stderr


def links(cluster: ClusterSpec) -> set[tuple[int, str, int]]:
    """(port, channel, port of its source)."""
    return {
        (server.endpoint.address.port, channel, cluster.server(label).endpoint.address.port)
        for server in cluster.servers
        for channel, label in cluster.upstream(server).items()
    }


@pytest.mark.parametrize("start", [0, 1, 2])
def test_any_server_leads_to_the_whole_cluster(star: Sandbox, start: int, tmp_path: Path) -> None:
    settings, said = discovered(star, start, Account.ROOT, tmp_path)
    (cluster,) = settings.clusters
    assert cluster.server(cluster.source).endpoint.address.port == star.source.port
    assert links(cluster) == {(replica.port, "", star.source.port) for replica in star.replicas}
    assert "not found" not in said
    password = star.source.endpoint(Account.ROOT).password
    assert isinstance(password, LiteralSecret)
    checked = repwatch("doctor", folder=tmp_path, REPWATCH_PASSWORD=password.text)
    assert checked.returncode == 0, checked.stdout


def test_what_the_account_may_not_see_is_said(star: Sandbox, tmp_path: Path) -> None:
    settings, said = discovered(star, 1, Account.WATCH, tmp_path)
    (cluster,) = settings.clusters
    ports = {server.endpoint.address.port for server in cluster.servers}
    assert {star.source.port, star.replicas[0].port} <= ports
    assert cluster.server(cluster.source).endpoint.address.port == star.source.port
    if star.replicas[1].port not in ports:
        assert "not found: 2 replicas read from" in said
        assert "# NOT COMPLETE: 2 replicas read from" in (tmp_path / "repwatch.toml").read_text()


@pytest.mark.long
def test_a_chain_and_two_sources_are_found(flavour: Flavour, tmp_path: Path) -> None:
    with Sandbox.start(flavour, links=chain(2)) as box:
        first, middle, last = box.servers
        (cluster,) = discovered(box, 2, Account.ROOT, tmp_path)[0].clusters
        assert links(cluster) == {(middle.port, "", first.port), (last.port, "", middle.port)}
        assert cluster.server(cluster.source).endpoint.address.port == first.port
    with Sandbox.start(flavour, links=multi_source()) as box:
        ports = {server.name: server.port for server in box.servers}
        (cluster,) = discovered(box, 0, Account.ROOT, tmp_path)[0].clusters
        assert links(cluster) == {(ports[link.replica], link.channel, ports[link.source]) for link in box.links}


def test_the_source_is_settled_where_it_is_left_open(star: Sandbox) -> None:
    cluster = star.cluster()
    open_ = ClusterSpec(name="shop", source=AUTO, servers=cluster.servers)
    settled = settle_source(open_, connect=Session.connect, clock=SystemClock())
    assert settled.source == "source"
    assert settle_source(cluster, connect=Session.connect, clock=SystemClock()) is cluster
    alone = ClusterSpec(name="shop", source=AUTO, servers=cluster.servers[1:])
    with pytest.raises(UsageError) as refusal:
        settle_source(alone, connect=Session.connect, clock=SystemClock())
    assert str(star.source.address) in str(refusal.value)

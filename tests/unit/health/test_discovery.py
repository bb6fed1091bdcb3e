"""A found topology is linked and named, and what is printed of it is a valid configuration without a password."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from repwatch.app.config import load_config
from repwatch.health.checkup import Look
from repwatch.health.discovery import Discovery, Node, assemble
from repwatch.model.endpoint import Endpoint, EnvSecret, LiteralSecret, TlsMode
from repwatch.model.server import Address
from repwatch.render.configuration import configuration_text
from tests.unit.health.looks import channel, look

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def node(seen: Look | None, address: Address | None = None) -> Node:
    endpoint = Endpoint(
        address or (seen.address if seen else Address("gone")), "wa%/tch@er", LiteralSecret("geheim"), TlsMode.REQUIRED
    )
    return Node(endpoint=endpoint, look=seen)


def links(discovery: Discovery) -> dict[str, dict[str, str]]:
    return {server.name: server.upstream for server in discovery.servers}


def test_a_chain_is_linked_and_its_top_is_the_source() -> None:
    nodes = [node(look("db3", channel("db2:3306"))), node(look("db2", channel("db1:3306"))), node(look("db1"))]
    discovery = assemble(nodes, [])
    assert discovery.source == "db1"
    assert links(discovery) == {"db1": {}, "db2": {"": "db1"}, "db3": {"": "db2"}}


def test_a_source_that_was_not_reached_is_still_the_source() -> None:
    discovery = assemble([node(look("db2", channel("gone:3306"))), node(None)], ["gone: down"])
    assert (discovery.source, links(discovery)) == ("gone", {"gone": {}, "db2": {"": "gone"}})


def test_a_ring_has_its_writable_server_as_source() -> None:
    nodes = [node(look("db2", channel("db1:3306"), read_only="ON")), node(look("db1", channel("db2:3306"), read_only="OFF"))]
    discovery = assemble(nodes, [])
    assert links(discovery) == {"db1": {}, "db2": {"": "db1"}}
    assert discovery.notes


def test_servers_of_one_machine_are_told_apart_by_their_ports() -> None:
    nodes = [
        node(look("db1", hostname="Box.example.com", port=port, server_uuid=port), Address("127.0.0.1", int(port)))
        for port in ("3306", "3307")
    ]
    assert [server.name for server in assemble(nodes, []).servers] == ["box-3306", "box-3307"]


@pytest.mark.parametrize("hostname", ["auto", "...", "ä", "10.0.0.1", ""])
def test_a_name_is_always_one_that_a_configuration_takes(hostname: str, tmp_path: Path) -> None:
    discovery = assemble([node(look("db1", hostname=hostname))], [])
    path = tmp_path / "repwatch.toml"
    text = configuration_text(discovery, start=discovery.servers[0].endpoint, variable=None, option_file=None, now=NOW)
    path.write_text(text)
    assert load_config(path).clusters[0].source == discovery.source


def test_what_is_printed_is_what_was_found(tmp_path: Path) -> None:
    nodes = [
        node(look("db1")),
        node(look("db2", channel("db1:3306"))),
        node(look("db3", channel("db1:3306", name="a b"), channel("db4:3306", name=""))),
        node(look("db4"), Address("localhost", 3306, "/run/a b.sock")),
    ]
    discovery = assemble(nodes, ["something"])
    text = configuration_text(discovery, start=nodes[0].endpoint, variable="PW", option_file=None, now=NOW)
    assert "geheim" not in text
    path = tmp_path / "repwatch.toml"
    path.write_text(text)
    (cluster,) = load_config(path).clusters
    assert cluster.source == "db1"
    assert {server.name: cluster.upstream(server) for server in cluster.servers} == links(discovery) | {"db2": {"": "db1"}}
    for server in cluster.servers:
        assert server.endpoint.password == EnvSecret("PW")
        assert (server.endpoint.user, server.endpoint.tls) == ("wa%/tch@er", TlsMode.REQUIRED)
    assert cluster.server("db4").endpoint.address.socket == "/run/a b.sock"


def test_an_option_file_stays_the_place_of_the_password(tmp_path: Path) -> None:
    options = tmp_path / "my.cnf"
    options.write_text("[client]\npassword=geheim\n")
    discovery = assemble([node(look("db1"))], [])
    text = configuration_text(discovery, start=discovery.servers[0].endpoint, variable=None, option_file=str(options), now=NOW)
    path = tmp_path / "repwatch.toml"
    path.write_text(text)
    assert load_config(path).clusters[0].servers[0].endpoint.password == LiteralSecret("geheim")

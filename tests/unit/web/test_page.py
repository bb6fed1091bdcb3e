"""The tree of servers, lag lines and ages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.view import ChannelView, ClusterView, Role, ServerView, State, View
from repwatch.web.page import SAMPLES, LagHistory, Node, age, code, draw_spark, lag_text, product, tree

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def server(name: str, role: Role, source: str | None = None, lag: float | None = None) -> ServerView:
    channels = (
        ()
        if source is None
        else (
            ChannelView(
                name="", source=source, receiver="running", applier="running", lag_seconds=lag, delay_seconds=0, gtid_executed=""
            ),
        )
    )
    return ServerView(
        server=f"{name}:3306", name=name, role=role, state=State.OK, lag_seconds=lag, findings=(), channels=channels
    )


def cluster(*servers: ServerView) -> ClusterView:
    return ClusterView(name="shop", state=State.OK, findings=(), servers=servers)


def shape(nodes: tuple[Node, ...]) -> dict[str, object]:
    return {node.server.name or "": shape(node.children) for node in nodes}


def test_replicas_hang_under_what_they_replicate_from_by_address_or_name() -> None:
    found = tree(
        cluster(
            server("a", Role.SOURCE),
            server("b", Role.INTERMEDIATE, "a:3306"),
            server("c", Role.REPLICA, "b"),
            server("d", Role.REPLICA, "10.9.9.9:3306"),  # the inventory knows no such address
            server("e", Role.REPLICA),  # never seen
        )
    )
    assert shape(found) == {"a": {"b": {"c": {}}, "d": {}, "e": {}}}


def test_a_further_source_hangs_under_nobody() -> None:
    found = tree(cluster(server("a", Role.SOURCE), server("b", Role.SOURCE), server("c", Role.REPLICA, "a")))
    assert shape(found) == {"a": {"c": {}}, "b": {}}


def test_a_loop_is_drawn_once() -> None:
    found = tree(cluster(server("a", Role.REPLICA, "b"), server("b", Role.REPLICA, "a")))
    assert shape(found) == {"a": {"b": {}}}


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=SAMPLES))
def test_every_known_lag_is_a_point_inside_the_drawing(samples: list[float | None]) -> None:
    spark = draw_spark(samples)
    points = [tuple(map(float, point.split(","))) for piece in spark.pieces for point in piece.split()]
    assert len(points) == sum(value is not None for value in samples)
    assert all(0 <= x <= 160 and 0 <= y <= 28 for x, y in points)


def test_unknown_lag_is_a_gap_not_a_zero() -> None:
    assert len(draw_spark([1.0, None, 1.0]).pieces) == 2


def test_history_takes_each_view_once_and_forgets_removed_servers() -> None:
    history = LagHistory()
    first = View(
        as_of=NOW, state=State.OK, clusters=(cluster(server("a", Role.REPLICA, "s", 1), server("b", Role.REPLICA, "s", 2)),)
    )
    history.add(first)
    history.add(first)
    assert len(history.sparks()["a:3306"].pieces[0].split()) == 1
    history.add(View(as_of=NOW + timedelta(seconds=5), state=State.OK, clusters=(cluster(server("a", Role.REPLICA, "s", 1)),)))
    assert set(history.sparks()) == {"a:3306"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (8, "8 s"), (89, "89 s"), (240, "4 min"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_ages_are_words(seconds: float, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", "MariaDB 10.11.19"),
        ("5.5.5-10.6.1-MariaDB", "MariaDB 10.6.1"),
        ("9.7.4", "MySQL 9.7.4"),
        ("", "version unknown"),
    ],
)
def test_a_version_is_a_product_and_a_number(version: str, text: str) -> None:
    assert product(version) == text


def test_what_stands_in_back_ticks_is_code_and_nothing_is_markup() -> None:
    assert code("run `a <b>` & see") == "run <code>a &lt;b&gt;</code> &amp; see"


def test_unknown_lag_is_said() -> None:
    assert lag_text(None) == "unknown"
    assert lag_text(0.25) == "0.2 s"

"""What the status page shows, worked out from the View: the tree of servers, ages in words, lag over time as a line."""

import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from repwatch.drift.overview import DriftRun, ProofSummary, RunOutcome
from repwatch.model.finding import Subject
from repwatch.model.server import ServerVersion
from repwatch.model.view import ClusterView, FindingView, Role, ServerView, State, View

SAMPLES = 180  # points of a lag line
SPARK_WIDTH, SPARK_HEIGHT = 160.0, 28.0


@dataclass(frozen=True, slots=True)
class Node:
    """A server with the servers that replicate from it."""

    server: ServerView
    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Spark:
    """A lag line ready to draw: pieces of known lag as SVG points, and the highest value in seconds."""

    pieces: tuple[str, ...]
    peak: float


class LagHistory:
    """The last samples of each replica's lag, kept in memory for the page alone; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[str, deque[float | None]] = {}
        self._last: datetime | None = None

    def add(self, view: View) -> None:
        """Take one sample of each server; the same view twice counts once."""
        servers = {server.server: server for cluster in view.clusters for server in cluster.servers}
        with self._lock:
            if view.as_of == self._last:
                return
            self._last = view.as_of
            self._samples = {name: self._samples.get(name, deque(maxlen=SAMPLES)) for name in servers}
            for name, server in servers.items():
                self._samples[name].append(server.lag_seconds)

    def sparks(self) -> dict[str, Spark]:
        """A line for each server."""
        with self._lock:
            return {name: draw_spark(samples) for name, samples in self._samples.items()}


def draw_spark(samples: Iterable[float | None]) -> Spark:
    """Scale samples to the drawing; unknown lag leaves a gap, and the scale never falls below one second."""
    values = list(samples)
    peak = max((value for value in values if value is not None), default=0.0)
    scale = max(peak, 1.0)
    pieces: list[list[str]] = [[]]
    for position, value in enumerate(values, start=SAMPLES - len(values)):
        if value is None:
            pieces.append([])
            continue
        x = position * SPARK_WIDTH / (SAMPLES - 1)
        pieces[-1].append(f"{x:.1f},{SPARK_HEIGHT - 2 - value / scale * (SPARK_HEIGHT - 4):.1f}")
    return Spark(tuple(" ".join(piece) for piece in pieces if piece), peak)


def tree(cluster: ClusterView) -> tuple[Node, ...]:
    """The servers of a cluster as they replicate; one that belongs to no parent stands at the root. A loop is cut."""
    by_label: dict[str, ServerView] = {}
    for server in cluster.servers:
        by_label[server.server] = server
        if server.name:
            by_label[server.name] = server
    source = next((server for server in cluster.servers if server.role is Role.SOURCE), None)
    parents = {server.server: _parent(server, source, by_label) for server in cluster.servers}
    roots = [server for server in cluster.servers if parents[server.server] is None]
    drawn: set[str] = set()
    nodes = [_node(server, cluster.servers, parents, drawn) for server in roots]
    nodes += [_node(server, cluster.servers, parents, drawn) for server in cluster.servers if server.server not in drawn]
    return tuple(nodes)


def _parent(server: ServerView, source: ServerView | None, by_label: Mapping[str, ServerView]) -> str | None:
    if server is source:
        return None
    for channel in server.channels:
        if channel.source in by_label and by_label[channel.source] is not server:
            return by_label[channel.source].server
    return source.server if source and server.role is not Role.SOURCE else None  # a further source belongs to nobody


def _node(server: ServerView, servers: tuple[ServerView, ...], parents: Mapping[str, str | None], drawn: set[str]) -> Node:
    drawn.add(server.server)
    children = [each for each in servers if parents[each.server] == server.server]
    return Node(server, tuple(_node(child, servers, parents, drawn) for child in children if child.server not in drawn))


def anchor(cluster: ClusterView | None, server: ServerView | None, finding: FindingView) -> str:
    """The id of a finding on the page: its incident's key, as links in notices have it."""
    return Subject(cluster.name if cluster else "", server.server if server else "", finding.channel, finding.code).key


def proof_tone(replica: ProofSummary) -> State:
    """How a replica's data stand; what was not proved in time need not be wrong."""
    if replica.drifted:
        return State.CRITICAL
    return State.OK if replica.fresh == replica.tables else State.WARNING


def run_tone(run: DriftRun) -> State:
    """How good the outcome of a check is."""
    tones = {RunOutcome.IDENTICAL: State.OK, RunOutcome.DRIFTED: State.CRITICAL, RunOutcome.FAILED: State.WARNING}
    return tones.get(run.outcome, State.UNKNOWN)


def product(version: str) -> str:
    """`MariaDB 10.11.19`, from what VERSION() says."""
    try:
        parsed = ServerVersion.parse(version)
    except ValueError:
        return "version unknown"
    return f"{'MariaDB' if parsed.is_mariadb else 'MySQL'} {'.'.join(map(str, parsed.number))}"


def code(text: str) -> Markup:
    """Text with what stands in back-ticks as code, and everything escaped."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def age(span: timedelta) -> str:
    """A duration in the words of a person: `8 s`, `4 min`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 36:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def lag_text(seconds: float | None) -> str:
    """Lag for people; unknown is said as such."""
    if seconds is None:
        return "unknown"
    return f"{seconds:.1f} s" if seconds < 10 else age(timedelta(seconds=seconds))

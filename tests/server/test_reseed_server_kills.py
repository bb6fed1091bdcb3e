"""SIGKILL of the replica's server or of the source's in the middle of a reseed: it ends by itself, or a second run ends it."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from repwatch.model.plan import Outcome
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.reseeding import break_with_1062, contents, healthy, request, reseed

SETTINGS = "read_only", "log_bin_trust_function_creators", "local_infile", "event_scheduler"
ROWS = 3000


def settings(server: SandboxServer) -> list[tuple[str | None, ...]]:
    return server.sql(f"SELECT {', '.join(f'@@GLOBAL.{name}' for name in SETTINGS)}")


def is_marked(server: SandboxServer) -> bool:
    return bool(server.sql(f"SHOW TABLES FROM {MARKER_SCHEMA} LIKE 'marker'"))


def broken(star: Sandbox, schema: str) -> SandboxServer:
    """A replica whose applier stopped, with a table whose rows are wrong, and without another one."""
    replica = star.replicas[0]
    star.source.sql(
        f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)",
        f"CREATE TABLE {schema}.wrong (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT, KEY (v(9)))",
        f"INSERT INTO {schema}.wrong (v) VALUES {', '.join(f'(REPEAT({number}, 50))' for number in range(ROWS))}",
        f"CREATE TABLE {schema}.lacking LIKE {schema}.wrong",
        f"INSERT INTO {schema}.lacking SELECT * FROM {schema}.wrong",
    )
    star.wait_caught_up(60)
    break_with_1062(star, replica, f"{schema}.busy", 7)
    replica.sql(
        "SET SESSION sql_log_bin = 0", f"UPDATE {schema}.wrong SET v = 'wrong' WHERE id % 3", f"DROP TABLE {schema}.lacking"
    )
    return replica


@dataclass(frozen=True)
class Moment:
    """Of a reseed by this method."""

    method: Method
    phase: Phase
    table: str = ""


MOMENTS = {
    "compared": Moment(Method.DIFFERENTIAL, Phase.COMPARE, "wrong"),
    "copied": Moment(Method.LOGICAL, Phase.DATA, "lacking"),
    "catching-up": Moment(Method.DIFFERENTIAL, Phase.CATCH_UP),  # nothing is left of the method by then
}


@dataclass
class Killing:
    """Is told how far a reseed is, and ends a server at one moment, before which the replica can apply nothing."""

    star: Sandbox
    busy: str
    moment: Moment
    server: SandboxServer
    locks: ExitStack
    killed: bool = False

    def __call__(self, progress: Progress) -> None:
        if self.killed:
            return
        catching_up = self.moment.phase is Phase.CATCH_UP
        if catching_up and progress.phase is Phase.OBJECTS:
            lock = self.locks.enter_context(self.star.replicas[0].connect())
            lock.execute("BEGIN")
            lock.query(f"SELECT * FROM {self.busy} WHERE id = 7 FOR UPDATE")
            self.star.source.sql(f"UPDATE {self.busy} SET v = v + 1")
        there = progress.phase is self.moment.phase and progress.text.endswith(self.moment.table)
        if there and (progress.done or catching_up):
            self.killed = True
            self.server.kill()
            self.server.start()
            self.locks.close()


@pytest.mark.long
@pytest.mark.parametrize("whom", ["target", "source"])
@pytest.mark.parametrize("name", MOMENTS)
def test_a_server_that_is_killed(star: Sandbox, schema: str, tmp_path: Path, name: str, whom: str) -> None:
    replica = broken(star, schema)
    before = settings(replica)
    with ExitStack() as locks:
        server = replica if whom == "target" else star.source
        killing = Killing(star, f"{schema}.busy", MOMENTS[name], server, locks)
        applied = reseed(request(star, replica, method=MOMENTS[name].method), tmp_path, killing)
    assert killing.killed
    star.source.sql(f"INSERT INTO {schema}.busy (v) VALUES (9)")
    if applied.outcome is not Outcome.DONE:  # only a source that is back before it is needed again goes unnoticed
        assert applied.outcome is Outcome.FAILED
        assert is_marked(replica)
        applied = reseed(request(star, replica), tmp_path)
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical")
    healthy(star, replica)
    assert settings(replica) == before
    assert contents(replica, schema) == contents(star.source, schema)

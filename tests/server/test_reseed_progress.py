"""What a reseed tells while it runs, as it is on real servers."""

from contextlib import suppress
from pathlib import Path

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.flows.reseed import apply_reseed
from repwatch.flows.reseed_outlook import Outlook
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.sandbox import Sandbox
from repwatch.sql import replication
from tests.server.reseeding import healthy, request, reseed, tools

DAY = 86_400


class Killed(Exception):
    """When all is loaded."""


class Hurried(SystemClock):
    """A minute passes in a moment."""

    def monotonic(self) -> float:
        return super().monotonic() * 100


class Still(SystemClock):
    """Time passes when it is told to."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_rows_bytes_and_the_time_until_the_source_purges_are_told(star: Sandbox, schema: str, tmp_path: Path) -> None:
    replica = star.replicas[0]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v TEXT)")
    star.source.sql(f"INSERT INTO {schema}.t VALUES {', '.join(f'({number}, REPEAT(7, 500))' for number in range(500))}")
    star.source.sql(f"ANALYZE TABLE {schema}.t")
    star.wait_caught_up(60)
    ((before,),) = star.source.sql("SELECT @@GLOBAL.binlog_expire_logs_seconds")
    told: list[Progress] = []
    star.source.sql(f"SET GLOBAL binlog_expire_logs_seconds = {DAY}")
    try:
        reseed(request(star, replica, method=Method.LOGICAL), tmp_path, told.append)
    finally:
        star.source.sql(f"SET GLOBAL binlog_expire_logs_seconds = {before}")
    healthy(star, replica)
    last = [progress for progress in told if progress.phase is Phase.DATA][-1]
    assert last.done == last.total >= 500
    assert last.data == last.data_total > 100_000
    purges = [progress.ahead.purge for progress in told if progress.ahead]
    assert purges == sorted(purges, key=lambda left: -(left or 0))
    assert all(left is not None and 0 < left < DAY for left in purges)


def test_an_interrupted_run_goes_on_to_tell_it(star: Sandbox, schema: str, tmp_path: Path) -> None:
    replica = star.replicas[0]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    ((before,),) = star.source.sql("SELECT @@GLOBAL.binlog_expire_logs_seconds")
    asked, told = request(star, replica, method=Method.LOGICAL), list[Progress]()

    def kill(progress: Progress) -> None:
        if progress.phase is Phase.ATTACH:
            raise Killed

    star.source.sql(f"SET GLOBAL binlog_expire_logs_seconds = {DAY}")
    try:
        with suppress(Killed):
            reseed(asked, tmp_path, kill)
        apply_reseed(asked, tools(tmp_path, told.append), None)
    finally:
        star.source.sql(f"SET GLOBAL binlog_expire_logs_seconds = {before}")
    healthy(star, replica)
    assert Phase.DATA not in {progress.phase for progress in told}
    (attach,) = (progress for progress in told if progress.phase is Phase.ATTACH)
    assert attach.ahead is not None
    assert 0 < (attach.ahead.purge or 0) < DAY


def test_a_copy_of_files_is_of_the_moment_at_which_it_ends(star: Sandbox) -> None:
    told: list[Progress] = []
    clock = Still()
    outlook = Outlook(Session.connect, star.source.spec().endpoint, clock, told.append, DAY)
    for phase in (Phase.CLONE, Phase.STREAM, Phase.STREAM, Phase.RECOVER):
        outlook.tell(Progress(phase=phase))
        clock.seconds += 10
    assert [progress.ahead and progress.ahead.purge for progress in told] == [DAY, DAY, DAY, DAY - 10]
    with star.source.connect() as db:
        outlook.place(db.scalar(replication.written(db.version)) or "")
    deadline = SystemClock().monotonic() + 60
    while not (told[-1].ahead and told[-1].ahead.transactions == 0):
        assert SystemClock().monotonic() < deadline
        SystemClock().sleep(0.05)
        clock.seconds += 10
        outlook.tell(Progress(phase=Phase.SWAP))


def test_what_the_source_writes_meanwhile_is_counted(star: Sandbox, schema: str) -> None:
    told: list[Progress] = []
    clock = Hurried()
    outlook = Outlook(Session.connect, star.source.spec().endpoint, clock, told.append, 0)
    with star.source.connect() as db:
        outlook.begin(db.scalar(replication.written(db.version)) or "")
        db.execute(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
        db.execute(f"INSERT INTO {schema}.t VALUES (1)")
    deadline = SystemClock().monotonic() + 60
    outlook.tell(Progress(phase=Phase.DATA))
    while not (told[-1].ahead and told[-1].ahead.transactions == 2):
        assert SystemClock().monotonic() < deadline
        clock.sleep(0.05)
        outlook.tell(Progress(phase=Phase.DATA, done=1, total=2, seconds=1))
    assert told[-1].ahead.catch_up is not None


def test_a_source_that_does_not_answer_holds_nothing_up(star: Sandbox) -> None:
    told: list[Progress] = []
    clock = Hurried()
    outlook = Outlook(Session.connect, star.source.spec().endpoint, clock, told.append, DAY)
    outlook.begin("no position")  # so that what is asked fails
    for _ in range(20):
        clock.sleep(0.05)
        outlook.tell(Progress(phase=Phase.DATA))
    assert all(progress.ahead and progress.ahead.transactions is None for progress in told)

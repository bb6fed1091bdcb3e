"""The middle of a chain is held up: the end, which has all that the middle has, is behind as well, and that is one event."""

from datetime import timedelta

from repwatch.health.causes import causes
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode, Subject
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, plan
from repwatch.sql.heartbeat import make_table, writing_needs
from tests.server.test_heartbeat import Bench
from tests.server.watching import until


def lagging(bench: Bench) -> dict[str, Subject | None]:
    """The servers that lag, by name, each with what explains that."""
    world = bench.look()
    findings = diagnose(world)
    explained = causes(world, findings)
    names = {server.address: server.spec.label for server in world.servers}
    lags = [each.subject for each in findings if each.subject.code is FindingCode.LAGGING]
    return {names[each.server]: explained.get(each) for each in lags}


def test_the_end_of_a_chain_is_behind_because_the_middle_is(flavour: Flavour) -> None:
    with Sandbox.start(flavour, links=plan.chain(2)) as box:
        box.source.sql(*make_table("repwatch"), writing_needs("repwatch").text.format(account=f"'{Account.WATCH}'@'%'"))
        box.wait_caught_up(60)
        bench = Bench(box, max_lag=timedelta(seconds=10))
        middle, end = box.replicas
        bench.look()
        bench.thread.start()
        try:
            until(lambda: bench.written() > 0 and not lagging(bench), "beats arrive")
            with middle.connect(Account.ROOT) as holder:
                holder.execute("LOCK TABLES repwatch.repwatch_heartbeat READ")  # readers go on, and the applier waits
                until(lambda: {middle.name, end.name} <= lagging(bench).keys(), "both are behind")
                until(lambda: _server(lagging(bench).get(end.name)) == str(middle.address), "it is for the middle")
                holder.execute("UNLOCK TABLES")
            until(lambda: not lagging(bench), "both have caught up")
        finally:
            bench.stop.set()
            bench.thread.join(60)
            bench.watcher.prober.close()


def _server(subject: Subject | None) -> str:
    return subject.server if subject else ""

"""A chain whose middle logs nothing of what it replicates: the end misses it, and the servers themselves are content."""

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, plan
from tests.server.diagnosing import watching


def test_a_middle_that_passes_nothing_on(flavour: Flavour) -> None:
    word = "slave" if flavour is Flavour.MARIADB else "replica"
    with Sandbox.start(flavour, links=plan.chain(2), options=(f"--log-{word}-updates=OFF",)) as box:
        box.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
        with watching(box) as watcher:
            (finding,) = watcher.expect(("replica1", "unsafe-settings")).values()
        assert list(finding.evidence) == [f"log_{word}_updates"]

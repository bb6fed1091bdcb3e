"""A source that is known by another address than its replica uses: on MariaDB only by what the replica's receiver fetches."""

from dataclasses import replace

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.flows.reseed_survey import survey
from repwatch.model.server import Flavour
from repwatch.ports.database import Params
from repwatch.sandbox import Sandbox
from tests.server.reseeding import request

LATE = 2.0


class Unhurried(SystemClock):
    """Its time passes by sleeping alone."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


def test_a_receiver_that_gets_everything_late_is_known_all_the_same(star: Sandbox, schema: str) -> None:
    replica, clock = star.replicas[0], Unhurried()
    column = "Gtid_IO_Pos" if star.flavour is Flavour.MARIADB else "Retrieved_Gtid_Set"
    ((old,),) = replica.sql("SELECT @@GLOBAL.gtid_slave_pos") if star.flavour is Flavour.MARIADB else [("",)]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)

    class Distant(Session):
        def texts(self, sql: str, params: Params = ()) -> list[dict[str, str | None]]:
            rows = [row | dict.fromkeys(row.keys() & {"report_host"}) for row in super().texts(sql, params)]
            late = clock.passed < LATE and self.endpoint.address == replica.address
            return [row | {column: str(old)} if late and column in row else row for row in rows]

    asked = request(star, replica)
    assert asked.source.operator is not None
    ends = (asked.source.endpoint, asked.source.operator)
    endpoint, operator = (replace(end, address=replace(end.address, host="localhost")) for end in ends)
    asked = replace(asked, source=replace(asked.source, endpoint=endpoint, operator=operator))
    assert survey(asked, Distant.connect, clock).follows_source
    assert star.flavour is Flavour.MYSQL or clock.passed >= LATE

"""The sandbox itself: topologies replicate, and nothing of them stays behind."""

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox


def test_a_star_replicates(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    for replica in star.replicas:
        assert replica.sql(f"SELECT id FROM {schema}.t ORDER BY id") == [("1",), ("2",)]


def test_a_new_replica_has_no_transaction_of_its_own(star: Sandbox) -> None:
    position = "@@GLOBAL.gtid_binlog_pos" if star.flavour is Flavour.MARIADB else "@@GLOBAL.gtid_executed"
    star.wait_caught_up(60)
    expected = star.source.sql(f"SELECT {position}")
    for replica in star.replicas:
        assert replica.sql(f"SELECT {position}") == expected

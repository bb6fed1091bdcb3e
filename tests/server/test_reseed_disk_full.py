"""The replica's disk becomes full while data is written: it is told, and `--resume` goes on when there is room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.reseed.method import Method
from repwatch.sandbox import Sandbox
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.conftest import start
from tests.server.disks import mount, unmount
from tests.server.reseeding import contents, healthy, request, reseed

ROWS = 12_000  # of a kilobyte


@pytest.fixture
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with more data than there is room for on its replica, where it has been lost."""
    with start(flavour, replicas=1) as made:
        made.source.sql("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(1000))")
        some = f"INSERT INTO shop.t (v) VALUES {', '.join(['(REPEAT(7, 1000))'] * 1000)}"
        made.wait_caught_up(60)
        made.replicas[0].sql("SET SESSION sql_log_bin = 0", "DROP TABLE shop.t")
        made.source.sql(*[some] * (ROWS // 1000))
        folder = made.replicas[0].folder / "data" / "shop"
        kept = {path: path.read_bytes() for path in folder.iterdir()}  # MariaDB's db.opt
        mount(folder, "4m")
        try:
            for path, text in kept.items():
                path.write_bytes(text)
            yield made
        finally:
            unmount(folder)


@pytest.mark.long
def test_a_full_disk_is_told_and_with_room_it_goes_on(box: Sandbox, tmp_path: Path) -> None:
    replica = box.replicas[0]
    full = reseed(request(box, replica, method=Method.DIFFERENTIAL), tmp_path)
    assert full.outcome is Outcome.FAILED
    mount(replica.folder / "data" / "shop", "64m")
    if box.flavour is Flavour.MARIADB:  # it finds no room for the rollback either, and ends
        replica.kill()
        replica.start()
    assert replica.sql(f"SHOW TABLES FROM {MARKER_SCHEMA} LIKE 'marker'")
    done = reseed(request(box, replica), tmp_path)
    assert (done.outcome, done.verdict) == (Outcome.DONE, "identical")
    healthy(box, replica)
    assert contents(replica, "shop") == contents(box.source, "shop")

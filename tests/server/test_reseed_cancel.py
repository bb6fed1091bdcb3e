"""`reseed --cancel` in the midst of single tables: the replica goes on as before, with what was put right already."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused
from repwatch.flows.hold import channel_state
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.ports.database import Params
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.reseeding import CLOCK, Enough, contents, healthy, put_all_back, request, reseed, tools

LOCAL = "SET SESSION sql_log_bin = 0"
LEAST = 10  # statements of a cancel on the replica
SETTINGS = "SELECT @@GLOBAL.read_only, @@GLOBAL.log_bin_trust_function_creators, @@GLOBAL.local_infile"


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    yield star.replicas[0]
    put_all_back(star)


class Ending(Session):
    """Ends the run in the place of a statement on the replica: the `left`-th of those that begin with `word`."""

    port = 0
    word = ""
    left = 0
    reached = False

    def execute(self, sql: str, params: Params = ()) -> int:
        if self.endpoint.address.port == self.port and sql.startswith(self.word):
            Ending.left -= 1
            if Ending.left == 0:
                Ending.reached = True
                raise Enough
        return super().execute(sql, params)


@contextmanager
def ending(replica: SandboxServer, folder: Path, word: str, number: int = 1) -> Iterator[Tools]:
    """Tools with which a run ends there."""
    Ending.port, Ending.word, Ending.left, Ending.reached = replica.port, word, number, False
    yield replace(tools(folder), connect=Ending.connect)
    Ending.left = 0


def ended_at(asked: ReseedRequest, replica: SandboxServer, folder: Path, word: str) -> None:
    with ending(replica, folder, word) as doors, pytest.raises(Enough):
        apply_reseed(asked, doors, plan_reseed(asked, Session.connect, CLOCK).plan.plan_hash)


def drifted(star: Sandbox, schema: str, replica: SandboxServer) -> ReseedRequest:
    """Two wrong tables, with triggers, one of which only the replica has."""
    star.source.sql(
        f"CREATE TABLE {schema}.a (id INT PRIMARY KEY, v INT)",
        f"CREATE TABLE {schema}.b (id INT PRIMARY KEY, v INT)",
        f"CREATE TRIGGER {schema}.one BEFORE INSERT ON {schema}.a FOR EACH ROW SET NEW.v = 1",
        f"CREATE TRIGGER {schema}.two BEFORE INSERT ON {schema}.a FOR EACH ROW SET NEW.v = NEW.v + 1",
        *(f"INSERT INTO {schema}.{name} VALUES (1, 1), (2, 2)" for name in "ab"),
    )
    star.wait_caught_up(60)
    replica.sql(
        LOCAL,
        f"CREATE TRIGGER {schema}.only_here BEFORE DELETE ON {schema}.b FOR EACH ROW SET @x = 1",
        f"UPDATE {schema}.a SET v = 7 WHERE id = 1",
        f"UPDATE {schema}.b SET v = 7 WHERE id = 1",
    )
    return request(star, replica, tables=(TableName(schema, "a"), TableName(schema, "b")))


def triggers(replica: SandboxServer, schema: str) -> object:
    return replica.sql(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_STATEMENT, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT "
        f"FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{schema}' ORDER BY 1"
    )


def values(replica: SandboxServer, schema: str) -> list[object]:
    return [replica.sql(f"SELECT v FROM {schema}.{name} WHERE id = 1")[0][0] for name in "ab"]


def see_let_go(star: Sandbox, replica: SandboxServer) -> None:
    assert (MARKER_SCHEMA,) not in replica.sql("SHOW DATABASES")
    with replica.connect() as db:
        state = channel_state(db, "")
    assert (state.held, state.applier_running, state.delay) == (False, True, 0)
    star.wait_caught_up(60)


# The statement in whose place a run ends, and which tables it has put right by then.
MOMENTS = {
    "before the first change": ("SET GLOBAL log_bin_trust_function_creators = 1", [7, 7]),
    "while triggers go": ("DROP TRIGGER", [7, 7]),
    "before a row": ("INSERT INTO `{schema}`.`a`", [7, 7]),
    "between two tables": ("INSERT INTO `{schema}`.`b`", [2, 7]),
    "while triggers come": ("CREATE DEFINER", [2, 1]),
    "before it is let go": ("SET GLOBAL log_bin_trust_function_creators = 0", [2, 1]),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_single_tables_are_given_up_at_any_moment(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, moment: str
) -> None:
    asked = drifted(star, schema, replica)
    before, settings = triggers(replica, schema), replica.sql(SETTINGS)
    word, then = MOMENTS[moment]
    ended_at(asked, replica, tmp_path, word.format(schema=schema))
    star.source.sql(f"INSERT INTO {schema}.a VALUES (3, 3)")
    cancel_reseed(asked, tools(tmp_path))
    see_let_go(star, replica)
    assert [int(str(value)) for value in values(replica, schema)] == then
    assert (triggers(replica, schema), replica.sql(SETTINGS)) == (before, settings)
    assert reseed(asked, tmp_path).outcome is Outcome.DONE
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_a_cancel_that_is_killed_at_each_of_its_statements_is_done_by_the_next(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    asked = drifted(star, schema, replica)
    before, settings = triggers(replica, schema), replica.sql(SETTINGS)
    ended_at(asked, replica, tmp_path, f"INSERT INTO `{schema}`.`b`")
    for number in count(1):
        with ending(replica, tmp_path, "", number) as doors, suppress(Enough):
            cancel_reseed(asked, doors)
        if not Ending.reached:
            break
    assert number > LEAST
    see_let_go(star, replica)
    assert (triggers(replica, schema), replica.sql(SETTINGS)) == (before, settings)


@pytest.mark.parametrize("kind", ["redefined", "keyless"])
def test_a_table_that_is_not_whole_is_not_let_go(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, kind: str
) -> None:
    """Its rows are gone and not copied yet: replication would stop at them."""
    key = "" if kind == "keyless" else " PRIMARY KEY"
    star.source.sql(f"CREATE TABLE {schema}.t (id INT{key}, v INT)", f"INSERT INTO {schema}.t VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)
    replica.sql(LOCAL, f"UPDATE {schema}.t SET v = 7 WHERE id = 1")
    if kind == "redefined":
        replica.sql(LOCAL, f"ALTER TABLE {schema}.t MODIFY v BIGINT")
    asked = request(star, replica, tables=(TableName(schema, "t"),))
    ended_at(asked, replica, tmp_path, f"INSERT INTO `{schema}`.`t`")
    with pytest.raises(Refused):
        cancel_reseed(asked, tools(tmp_path))
    assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
    assert reseed(asked, tmp_path).outcome is Outcome.DONE
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)

"""What a person agrees to, how an undo file keeps rows, and what an interrupted run left in its journal."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.repair_scope import Scope, ScopeRow, fingerprint, key_of
from repwatch.drift.repair_stages import Mode, Stage, unfinished
from repwatch.drift.report import Cell, Hex, MissingRow
from repwatch.drift.undo import Undo, UndoRow, parse, write
from repwatch.errors import StoreError, UsageError
from repwatch.model.schema import Column, Table, TableName

names = st.builds(TableName, st.text(min_size=1), st.text(min_size=1))
keys = st.lists(st.text(), min_size=1, max_size=3).map(tuple)
images = st.none() | st.lists(st.none() | st.binary(), max_size=4).map(tuple)


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    tables = draw(st.dictionaries(names, st.text("0123456789abcdef", min_size=16, max_size=16), min_size=1, max_size=3))
    rows = draw(st.sets(st.tuples(st.sampled_from(sorted(tables)), keys), max_size=6))
    return Scope(
        source="a:1",
        source_key="1",
        target="b:2",
        target_key="2",
        channel="",
        fingerprints=tables,
        rows=tuple(ScopeRow(name, key, "changed") for name, key in rows),
    )


@given(scopes())
def test_a_scope_survives_its_text(scope: Scope) -> None:
    again = Scope.from_json(scope.to_json())
    assert again.plan_hash == scope.plan_hash
    assert set(again.rows) == set(scope.rows)
    assert again.fingerprints == scope.fingerprints


@given(scopes(), st.data())
def test_a_scope_covers_its_parts_and_nothing_more(scope: Scope, data: st.DataObject) -> None:
    part = data.draw(st.sets(st.sampled_from(scope.rows))) if scope.rows else set()
    smaller = replace(scope, rows=tuple(part))
    assert scope.covers(smaller)
    assert smaller.covers(scope) == (len(part) == len(scope.rows))
    assert (smaller.plan_hash == scope.plan_hash) == (len(part) == len(scope.rows))


@given(scopes())
def test_the_order_of_rows_does_not_matter(scope: Scope) -> None:
    assert replace(scope, rows=scope.rows[::-1]).plan_hash == scope.plan_hash


@given(scopes())
def test_who_agreed_to_the_rows_of_the_source_did_not_agree_to_those_of_another(scope: Scope) -> None:
    other = replace(scope, donor="c:3", donor_key="3")
    assert other.plan_hash != scope.plan_hash
    assert not scope.covers(other)
    assert not other.covers(scope)
    again = Scope.from_json(other.to_json())
    assert (again.servers, again.ends) == (other.servers, scope.servers)


@pytest.mark.parametrize("change", ["source_key", "target_key", "target", "channel"])
def test_another_server_is_another_plan(change: str) -> None:
    scope = Scope(
        source="a:1", source_key="1", target="b:2", target_key="2", channel="", fingerprints={TableName("s", "t"): "0"}, rows=()
    )
    other = replace(scope, **{change: "x"})  # type: ignore[arg-type]
    assert other.plan_hash != scope.plan_hash
    assert not scope.covers(other)


def test_another_definition_is_another_plan() -> None:
    table = Table(name=TableName("s", "t"), engine="InnoDB", columns=(column("id", "int"),), primary_key=("id",))
    wider = replace(table, columns=(column("id", "bigint"),))
    assert fingerprint(wider) != fingerprint(table)


def column(name: str, data_type: str, column_type: str = "", charset: str | None = None) -> Column:
    return Column(name=name, data_type=data_type, column_type=column_type or data_type, nullable=False, charset=charset)


@pytest.mark.parametrize(
    ("of", "cell", "part"),
    [
        (column("k", "int"), "7", "7"),
        (column("k", "varchar", charset="latin1"), "é", "C3A9"),
        (column("k", "varbinary"), Hex("00FF"), "00FF"),
        (column("k", "datetime"), "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        (column("k", "enum", "enum('x','it''s')", "utf8mb4"), "it's", "2"),
        (column("k", "enum", "enum('x','y')", "utf8mb4"), "", "0"),
        (column("k", "set", "set('x','y','z')", "utf8mb4"), "x,z", "5"),
    ],
)
def test_a_reported_key_becomes_one_that_statements_take(of: Column, cell: Cell, part: str) -> None:
    table = Table(name=TableName("s", "t"), engine="InnoDB", columns=(of,), primary_key=("k",))
    assert key_of(table, MissingRow({"k": cell}, {})) == (part,)


@pytest.mark.parametrize(
    ("of", "cell"),
    [(column("k", "varchar", charset="utf8mb4"), Hex("FF")), (column("k", "int"), None), (column("k", "novel"), "1")],
)
def test_a_key_that_cannot_be_told_exactly_is_refused(of: Column, cell: Cell) -> None:
    table = Table(name=TableName("s", "t"), engine="InnoDB", columns=(of,), primary_key=("k",))
    with pytest.raises(ValueError, match="k"):
        key_of(table, MissingRow({"k": cell}, {}))


@given(st.lists(st.tuples(names, keys, images, images), max_size=5), st.text())
def test_an_undo_file_gives_back_what_was_written(
    rows: list[tuple[TableName, tuple[str, ...], object, object]], text: str
) -> None:
    """Names with line breaks, values of any bytes, statements of any text."""
    undo = Undo(
        target="b:2",
        target_key="2",
        plan_hash="0",
        position="0-1-5",
        fingerprints={name: "0" for name, _, _, _ in rows},
        rows=tuple(UndoRow(table=name, key=key, before=before, after=after) for name, key, before, after in rows),  # type: ignore[arg-type]
    )
    assert parse(write(undo, [text])) == undo


@pytest.mark.parametrize(
    "text", ["", "-- repwatch undo file", "SELECT 1;\n-- end of rows\n", "-- repwatch undo file\n-- \n-- {}\n-- end of rows\n"]
)
def test_what_is_no_undo_file_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_a_cut_undo_file_is_refused() -> None:
    undo = Undo(target="b:2", target_key="2", plan_hash="0", position="", fingerprints={}, rows=())
    with pytest.raises(UsageError):
        parse(write(undo, []).partition("-- end of rows")[0])


SCOPE = Scope(source="a:1", source_key="1", target="b:2", target_key="2", channel="", fingerprints={}, rows=())


def entry(stage: Stage, run: str = "1", **more: str) -> dict[str, str]:
    at = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    if stage is Stage.BEGUN:
        more = {
            "mode": "repair",
            "scope": SCOPE.to_json(),
            "super_read_only": "1",
            "delay": "5",
            "receiver": "1",
            "applier": "1",
        } | more
    return {"at": at, "run": run, "stage": stage.value, **more}


def test_a_run_that_ended_left_nothing() -> None:
    assert unfinished([]) is None
    assert unfinished([entry(Stage.BEGUN), entry(Stage.HELD), entry(Stage.ENDED)]) is None


@pytest.mark.parametrize("last", [stage for stage in Stage if stage is not Stage.ENDED])
def test_a_run_that_was_cut_off_is_known_with_all_it_takes_to_finish_it(last: Stage) -> None:
    entries = [entry(stage, **({"undo_file": "u"} if stage is Stage.UNDO_WRITTEN else {})) for stage in Stage]
    found = unfinished([entry(Stage.BEGUN, "0"), entry(Stage.ENDED, "0"), *entries[: list(Stage).index(last) + 1]])
    assert found is not None
    assert (found.run, found.stage, found.mode) == ("1", last, Mode.REPAIR)
    assert found.held == {"delay": "5", "receiver": "1", "applier": "1"}
    assert found.super_read_only
    assert found.scope == SCOPE
    assert found.undo_file == ("u" if list(Stage).index(last) >= list(Stage).index(Stage.UNDO_WRITTEN) else "")


def test_a_run_that_another_goes_on_with_keeps_what_it_began_with() -> None:
    """The second process writes to the same run; what the channel was like is what the first one saw."""
    again = entry(Stage.HELD)
    found = unfinished([entry(Stage.BEGUN), entry(Stage.HELD), again])
    assert found is not None
    assert found.held["delay"] == "5"


def test_a_journal_of_something_else_is_not_guessed_at() -> None:
    with pytest.raises(StoreError):
        unfinished([{"event": "begin"}])

"""What a difference of definitions means for the rows, and which tables are chosen."""

from dataclasses import replace

import pytest

from repwatch.drift.definitions import compare_definitions, index_of
from repwatch.drift.parts import portable_parts
from repwatch.drift.report import Effect, Reason
from repwatch.drift.selection import perhaps_of_tools, select
from repwatch.errors import UsageError
from repwatch.model.schema import Column, Index, Part, PartKind, Table, TableName


def column(
    name: str, column_type: str, *, charset: str | None = None, collation: str | None = None, generated: str = ""
) -> Column:
    return Column(
        name=name,
        data_type=column_type.partition("(")[0].partition(" ")[0],
        column_type=column_type,
        nullable=False,
        charset=charset,
        collation=collation,
        generated=generated,
    )


def table(*columns: Column, key: tuple[str, ...] = ("id",), name: str = "s.t", engine: str = "InnoDB") -> Table:
    schema, _, bare = name.partition(".")
    return Table(name=TableName(schema, bare), engine=engine, columns=(column("id", "int(11)"), *columns), primary_key=key)


SAME_DATA = [
    ("varchar(20)", "longtext"),
    ("varchar(20)", "varchar(40)"),
    ("int(11)", "bigint(20) unsigned"),
    ("int(6) unsigned zerofill", "int"),
    ("decimal(10,2)", "decimal(12,2)"),
    ("binary(4)", "blob"),
]
OTHER_DATA = [
    ("decimal(10,2)", "decimal(10,3)"),
    ("datetime", "datetime(6)"),
    ("datetime", "timestamp"),
    ("float", "double"),
    ("int", "varchar(20)"),
    ("enum('a')", "set('a')"),
    ("varchar(4)", "varbinary(4)"),
]


@pytest.mark.parametrize(("ours", "theirs"), SAME_DATA)
def test_types_of_equal_data_are_compared(ours: str, theirs: str) -> None:
    found = compare_definitions(table(column("v", ours)), table(column("v", theirs)))
    assert [difference.effect for difference in found.differences] == [Effect.NONE]
    assert found.columns == ("id", "v")


@pytest.mark.parametrize(("ours", "theirs"), OTHER_DATA)
def test_types_of_other_data_are_drift(ours: str, theirs: str) -> None:
    found = compare_definitions(table(column("v", ours)), table(column("v", theirs)))
    assert [difference.effect for difference in found.differences] == [Effect.DATA]
    assert (found.columns, found.refusal) == (("id",), None)


def test_display_widths_do_not_matter() -> None:
    assert not compare_definitions(table(column("v", "bigint(20)")), table(column("v", "bigint"))).differences


def test_a_key_is_ranged_by_what_both_sides_order_alike() -> None:
    text = column("k", "varchar(9)", charset="utf8mb4", collation="utf8mb4_bin")
    folded = replace(text, collation="utf8mb4_general_ci")
    found = compare_definitions(table(text, key=("id", "k")), table(folded, key=("id", "k")))
    assert found.ordered_key == ("id",)
    assert compare_definitions(table(text, key=("k",)), table(folded, key=("k",))).ordered_key == ()


def test_what_cannot_be_compared_is_refused() -> None:
    strange = table(column("x", "xmltype"))
    assert compare_definitions(strange, strange).refusal is Reason.UNSUPPORTED_TYPE


def test_what_names_a_row() -> None:
    """The primary key, else a unique key that both sides have and that no NULL and no prefix weakens; else nothing."""
    b, c, nullable = column("b", "int"), column("c", "int"), replace(column("n", "int"), nullable=True)
    every = (b, c, nullable)
    unique = [
        Index("p", True, ("b",), prefixed=True),
        Index("x", True, ("b", "c")),
        Index("n", True, ("n",)),
        Index("h", True, ("b",), kind="HASH"),
        Index("i", True, ("b",), hidden=True),
        Index("f", True, ("",)),
        Index("plain", False, ("c", "b")),
    ]

    def chosen(ours: Table, theirs: Table) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        found = compare_definitions(ours, theirs)
        assert found.refusal is None
        return found.key, found.index, index_of(theirs, found.index)

    def heap(*indexes: Index, key: tuple[str, ...] = ()) -> Table:
        return replace(table(*every, key=key), indexes=indexes)

    full = heap(*unique)
    assert chosen(heap(*unique, key=("id",)), heap(key=("id",))) == (("id",), ("id",), "PRIMARY")
    assert chosen(full, full) == (("b", "c"), ("b", "c"), "x")
    assert chosen(full, heap(Index("other", True, ("b", "c")))) == (("b", "c"), ("b", "c"), "other")
    assert chosen(full, heap(key=("b", "c"))) == (("b", "c"), ("b", "c"), "PRIMARY")
    assert chosen(full, heap(Index("x", False, ("b", "c")))) == ((), ("b", "c"), "x")
    assert chosen(full, heap(unique[2], unique[6])) == ((), ("n",), "n")
    assert chosen(full, heap(unique[0], *unique[3:6])) == ((), (), "")
    assert chosen(heap(key=("id",)), heap(key=("b",))) == ((), (), "")


def test_the_end_of_a_period_names_no_row() -> None:
    period = column("e", "timestamp(6)", generated="ROW END")
    versioned = replace(table(period, key=("id", "e")), indexes=(Index("u", True, ("id", "e")),))
    found = compare_definitions(versioned, versioned)
    assert (found.key, found.columns, index_of(versioned, found.index)) == (("id",), ("id",), "PRIMARY")


def test_members_in_another_order_match_by_text() -> None:
    """Their numbers mean something else. With a member '' the text does not tell it from the invalid value 0."""

    def compared(ours: str, theirs: str) -> tuple[tuple[str, ...], bool, Reason | None]:
        one, other = (table(column("e", text), key=("e",)) for text in (ours, theirs))
        found = compare_definitions(one, other)
        return found.ordered_key, "e" in found.convert, found.refusal

    assert compared("enum('a','b')", "enum('a','b')") == (("e",), False, None)
    assert compared("enum('a','b')", "enum('b','a')") == ((), True, None)
    assert compared("set('a','b')", "set('b','a')") == ((), True, None)
    assert compared("enum('a','')", "enum('','a')") == ((), True, Reason.SCHEMA_DIFFERS)


def test_charsets_of_equal_text() -> None:
    latin, wide, short = (column("v", "varchar(9)", charset=name) for name in ("latin1", "utf8mb4", "utf8mb3"))
    assert compare_definitions(table(latin), table(wide)).convert == {"v"}
    assert compare_definitions(table(short), table(wide)).convert == frozenset()


PLAIN, UNIQUE = Part(PartKind.INDEX, "i", "(`v`)"), Part(PartKind.INDEX, "i", "UNIQUE (`v`)")
FOREIGN, UNSEEN = Part(PartKind.FOREIGN_KEY, "f", "(`v`) REFERENCES `p` (`id`)"), Part(PartKind.FOREIGN_KEY, "f", None)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((PLAIN,), (PLAIN,), []),
        ((PLAIN,), (), [Effect.NONE]),
        ((), (UNIQUE,), [Effect.BEHAVIOUR]),
        ((PLAIN,), (UNIQUE,), [Effect.BEHAVIOUR]),
        ((FOREIGN,), (), [Effect.BEHAVIOUR]),
        ((FOREIGN,), (UNSEEN,), []),  # the account may not see it
        ((UNSEEN,), (), []),
        ((FOREIGN,), None, []),  # not read
    ],
)
def test_parts(ours: tuple[Part, ...], theirs: tuple[Part, ...] | None, expected: list[Effect]) -> None:
    found = compare_definitions(replace(table(), parts=ours), replace(table(), parts=theirs))
    assert [difference.effect for difference in found.differences] == expected
    assert found.refusal is None


def test_between_flavours_only_parts_that_both_spell_alike_count() -> None:
    check = Part(PartKind.CHECK, "j", "json_valid(`j`)")
    assert portable_parts(replace(table(), parts=(PLAIN, check, FOREIGN))).parts == (PLAIN, FOREIGN)
    assert portable_parts(table()).parts is None


@pytest.mark.parametrize(
    ("ours", "theirs", "what"),
    [
        ({"default": "'5'"}, {"default": "'6'"}, ["default"]),
        ({"default": "(1 + 1)"}, {"default": "1+1"}, []),
        ({"default": "'A'"}, {"default": "'a'"}, ["default"]),
        ({"extra": "auto_increment"}, {}, ["auto-increment"]),
        ({"extra": "default_generated on update current_timestamp"}, {"extra": "on update current_timestamp()"}, []),
        ({"extra": "on update current_timestamp(6)"}, {"extra": "on update current_timestamp"}, ["on-update"]),
        ({"extra": "invisible"}, {}, ["invisible"]),
        ({"comment": "x"}, {}, ["comment"]),
    ],
)
def test_attributes_of_columns(ours: dict[str, str], theirs: dict[str, str], what: list[str]) -> None:
    bare = column("v", "int")
    one, other = (
        replace(bare, default=some.get("default"), extra=some.get("extra", ""), comment=some.get("comment", ""))
        for some in (ours, theirs)
    )
    assert [found.what for found in compare_definitions(table(one), table(other)).differences] == what


def test_the_order_of_columns() -> None:
    one, other = column("a", "int"), column("b", "int")
    assert [found.what for found in compare_definitions(table(one, other), table(other, one)).differences] == ["column-order"]
    assert [found.what for found in compare_definitions(table(one, other), table(other)).differences] == ["column"]


def names(*texts: str) -> list[TableName]:
    return [TableName(*text.split(".")) for text in texts]


def test_patterns_choose_tables() -> None:
    there = names("shop.orders", "shop.items", "log.orders", "percona.checksums", "app.heartbeat")
    chosen = select(there, {}, (), ())
    assert [str(name) for name in chosen.chosen] == ["app.heartbeat", "log.orders", "shop.items", "shop.orders"]
    assert [str(name) for name in chosen.left_out] == ["percona.checksums"]
    assert [str(name) for name in select(there, {}, ("shop.*",), ("*.items",)).chosen] == ["shop.orders"]
    assert [str(name) for name in select(there, {}, ("percona.checksums",), ()).chosen] == ["percona.checksums"]
    for wrong in ("orders", "nowhere.*"):
        with pytest.raises(UsageError):
            select(there, {}, (wrong,), ())


def test_a_heartbeat_is_known_by_its_columns() -> None:
    there = names("app.heartbeat", "app.checksums", "percona.heartbeat", "app.t")
    beats = perhaps_of_tools(there)
    assert set(beats) == set(there) - {TableName("app", "t")}
    columns = {beats[0]: ("TS", "server_id"), beats[1]: ("this_crc",)}
    chosen = select(there, columns, (), ())
    assert [str(name) for name in chosen.left_out] == ["app.heartbeat", "percona.heartbeat"]


def test_between_flavours_documents_and_virtual_columns_are_compared() -> None:
    ours = table(column("j", "json"), column("v", "int", generated="(`id` + 1)"), column("y", "year"))
    theirs = table(
        column("j", "longtext", charset="utf8mb4", collation="utf8mb4_bin"),
        column("v", "int", generated="id+1"),
        column("y", "year(4)"),
    )
    virtual = replace(ours, columns=tuple(replace(each, stored=not each.generated) for each in ours.columns))
    found = compare_definitions(virtual, theirs, portable=True)
    assert (found.columns, set(found.documents), set(found.convert)) == (("id", "j", "v", "y"), {"j"}, set())
    assert [(each.what, each.effect) for each in found.differences] == [("type", Effect.NONE), ("generated", Effect.NONE)]
    one_flavour = compare_definitions(virtual, theirs)
    assert not one_flavour.documents
    assert Effect.DATA in {each.effect for each in one_flavour.differences}

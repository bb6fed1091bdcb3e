"""Objects of two servers, as two accounts see them."""

import pytest

from repwatch.drift.objects import Objects, not_compared, object_differences
from repwatch.drift.report import Effect, SchemaDifference, TableReport, Verdict
from repwatch.drift.summary import replica_verdict
from repwatch.model.schema import ObjectKind, ObjectName, SchemaObject
from repwatch.model.server import ServerVersion
from repwatch.sql.sight import sight

MYSQL = ServerVersion.parse("9.7.0")
MARIADB = ServerVersion.parse("10.11.14-MariaDB")
ALL = "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO `u`@`%`"
READ = "GRANT SELECT ON *.* TO `u`@`%`"


def item(kind: ObjectKind, name: str = "x", body: str | None = "select 1", *, owner: str = "", **clauses: str) -> SchemaObject:
    schema = "" if kind in (ObjectKind.ACCOUNT, ObjectKind.GRANT) else "s"
    return SchemaObject(name=ObjectName(kind, schema, name), body=body, clauses=tuple(clauses.items()), owner=owner)


def secret(plugin: str, text: str) -> SchemaObject:
    return item(ObjectKind.ACCOUNT, body="", PLUGIN=plugin, AUTHENTICATION=text)


def side(*items: SchemaObject, grants: str = ALL, server: str = "h:1") -> Objects:
    return Objects(server=server, found={found.name: found for found in items}, sight=sight([grants], "u@%", MARIADB))


def effects(source: Objects, replica: Objects, *, static: bool = False) -> list[Effect]:
    found = object_differences(source, replica, lambda _: True, static=static)
    return [difference.effect for differences in found.values() for difference in differences]


VIEW, EVENT, TRIGGER = ObjectKind.VIEW, ObjectKind.EVENT, ObjectKind.TRIGGER
VALUE, ACCOUNT, GRANT = ObjectKind.SEQUENCE_VALUE, ObjectKind.ACCOUNT, ObjectKind.GRANT


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([item(VIEW)], [item(VIEW)], []),
        ([item(VIEW)], [item(VIEW, body="select 2")], [Effect.BEHAVIOUR]),
        ([item(VIEW, DEFINER="a@%")], [item(VIEW, DEFINER="b@%")], [Effect.BEHAVIOUR]),
        ([item(VIEW, ALGORITHM="MERGE")], [item(VIEW)], []),
        ([item(VIEW)], [], [Effect.BEHAVIOUR]),
        ([], [item(VIEW)], [Effect.BEHAVIOUR]),
        ([item(VIEW)], [item(VIEW, body=None)], []),
        ([item(VALUE, body="5")], [item(VALUE, body="6")], [Effect.NONE]),
        ([item(EVENT, STATUS="ENABLED")], [item(EVENT, STATUS="SLAVESIDE_DISABLED")], []),
        ([item(EVENT, STATUS="ENABLED")], [item(EVENT, STATUS="REPLICA_SIDE_DISABLED")], []),
        ([item(EVENT, STATUS="DISABLED")], [item(EVENT, STATUS="SLAVESIDE_DISABLED")], []),
        ([item(EVENT, STATUS="ENABLED")], [item(EVENT, STATUS="ENABLED")], [Effect.BEHAVIOUR]),
        ([item(EVENT, STATUS="DISABLED")], [item(EVENT, STATUS="ENABLED")], [Effect.BEHAVIOUR]),
        ([secret("p", "1")], [secret("p", "2")], [Effect.BEHAVIOUR]),
        ([item(GRANT, "a ON s.*", owner="a"), item(ACCOUNT, "a")], [], [Effect.BEHAVIOUR]),
        ([item(GRANT, "a ON s.*", owner="a"), item(ACCOUNT, "a")], [item(ACCOUNT, "a")], [Effect.BEHAVIOUR]),
    ],
)  # fmt: skip
def test_differences(ours: list[SchemaObject], theirs: list[SchemaObject], expected: list[Effect]) -> None:
    assert effects(side(*ours), side(*theirs)) == expected


def test_another_salt_is_no_other_behaviour() -> None:
    one, other = (secret("caching_sha2_password", text) for text in "12")
    (found,) = object_differences(side(one), side(other), lambda _: True).values()
    assert [difference.effect for difference in found] == [Effect.NONE]
    assert not any("1" in (difference.source or "") or "2" in (difference.replica or "") for difference in found)


def test_the_order_of_triggers_counts_among_equal_sets() -> None:
    first, second = item(TRIGGER, "a", MOMENT="BEFORE INSERT", ORDER="1"), item(TRIGGER, "b", MOMENT="BEFORE INSERT", ORDER="2")
    turned = item(TRIGGER, "a", MOMENT="BEFORE INSERT", ORDER="2"), item(TRIGGER, "b", MOMENT="BEFORE INSERT", ORDER="1")
    assert effects(side(first, second), side(*turned)) == [Effect.BEHAVIOUR] * 2
    alone = item(TRIGGER, "b", MOMENT="BEFORE INSERT", ORDER="1")
    assert effects(side(first, second), side(alone)) == [Effect.BEHAVIOUR]  # the missing one, not the order


@pytest.mark.parametrize("kind", [TRIGGER, EVENT])
def test_what_cannot_be_seen_is_not_missing(kind: ObjectKind) -> None:
    assert effects(side(item(kind)), side(grants=READ)) == []
    assert effects(side(grants=READ), side(item(kind))) == []
    hidden = {found.what: found for found in not_compared(side(grants=READ), ["s"], users=False)}
    assert set(hidden) == {"view", "trigger", "event"}
    assert hidden[kind.value].grant == f"GRANT {kind.value.upper()} ON *.* TO 'u'@'%';"


@pytest.mark.parametrize(
    ("grants", "kind", "sees"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`"], TRIGGER, True),
        (["GRANT TRIGGER ON `s`.* TO `u`@`%`"], TRIGGER, True),
        (["GRANT TRIGGER ON `other`.* TO `u`@`%`"], TRIGGER, False),
        (["GRANT TRIGGER ON *.* TO `u`@`%`", "REVOKE TRIGGER ON `s`.* FROM `u`@`%`"], TRIGGER, False),
        (["GRANT SELECT ON *.* TO `u`@`%`"], ObjectKind.PROCEDURE, True),
        (["GRANT SHOW_ROUTINE ON *.* TO `u`@`%`"], ObjectKind.PROCEDURE, True),
        (["GRANT SELECT ON `s`.* TO `u`@`%`"], ObjectKind.PROCEDURE, False),
        (["GRANT SELECT ON `s`.* TO `u`@`%`"], VIEW, False),
        (["GRANT SELECT, SHOW VIEW ON `s`.* TO `u`@`%`"], VIEW, True),
        (["GRANT USAGE ON *.* TO `u`@`%`"], EVENT, False),
    ],
)
def test_sight(grants: list[str], kind: ObjectKind, sees: bool) -> None:
    assert sight(grants, "u@%", MYSQL).sees(kind, "s") is sees


def test_strictly_an_object_makes_the_verdict() -> None:
    found = SchemaDifference("view", "s.v", "select 1", None, Effect.BEHAVIOUR)
    tables: list[TableReport] = []
    assert replica_verdict(tables, [found], None, strict=False) is Verdict.IDENTICAL
    assert replica_verdict(tables, [found], None, strict=True) is Verdict.DRIFTED


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [("ENABLED", "ENABLED", []), ("DISABLED", "SLAVESIDE_DISABLED", []), ("ENABLED", "SLAVESIDE_DISABLED", [Effect.BEHAVIOUR])],
)
def test_without_replication_events_run_on_both_sides_or_on_none(ours: str, theirs: str, expected: list[Effect]) -> None:
    assert effects(side(item(EVENT, STATUS=ours)), side(item(EVENT, STATUS=theirs)), static=True) == expected

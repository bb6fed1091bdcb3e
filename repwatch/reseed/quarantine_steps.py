"""The steps of a plan that put aside what only the target has, until all is proved."""

from collections.abc import Collection, Iterator

from repwatch.model.plan import Step
from repwatch.model.schema import TableName
from repwatch.reseed.facts import Facts, TableFacts
from repwatch.sql import definitions, quarantine
from repwatch.sql.definitions import Kind

_KEPT = quarantine.kept_name("…")
_NO_TABLES = ("VIEW", "SEQUENCE")


def quarantine_steps(facts: Facts) -> tuple[Step, ...]:
    """Whole schemas, and in others tables and all else that has a definition."""
    found = (*_schemas(facts), *_tables(facts), *_objects(facts))
    return tuple(_step(facts, what, statement) for what, statement in found)


def _step(facts: Facts, what: str, statement: str) -> Step:
    return Step(
        what=f"quarantine {what}, which the source does not have, until all is proved",
        where=str(facts.target.server.address),
        statement=statement,
        reversible=True,
    )


def trigger_steps(facts: Facts, tables: Collection[TableName]) -> tuple[Step, ...]:
    """Of single tables, the triggers that these have on the target alone."""
    ours = {trigger for trigger, table in facts.copied.triggers if table in tables}
    theirs = (trigger for trigger, table in facts.target.triggers if table in tables and trigger not in ours)
    return tuple(_step(facts, f"{Kind.TRIGGER} {name}", _taking_away(Kind.TRIGGER, name)) for name in theirs)


def is_put_aside(facts: Facts, name: TableName) -> bool:
    """True of a table of the target, where all of it is made anew, that the source does not have."""
    ours = {table.name for table in facts.copied.tables if is_table(table)}
    return name.schema in facts.dropped_schemas and name not in ours


def is_table(table: TableFacts) -> bool:
    """False of what the catalogue lists among tables and is another thing."""
    return table.kind not in _NO_TABLES


def _schemas(facts: Facts) -> Iterator[tuple[str, str]]:
    moving = quarantine.move(TableName("…", "…"), _KEPT, ())
    for name in facts.dropped_schemas:
        if name not in facts.copied.server.schemas:
            yield name, f"{moving}; {definitions.drop_schema(name)}"


def _tables(facts: Facts) -> Iterator[tuple[str, str]]:
    ours = {table.name for table in facts.copied.tables if is_table(table)}
    for table in facts.target.tables:
        if is_table(table) and table.name not in ours and table.name.schema in facts.copied.server.schemas:
            yield str(table.name), quarantine.move(table.name, _KEPT, ())


def _objects(facts: Facts) -> Iterator[tuple[str, str]]:
    ours = set(facts.copied.objects)
    for kind, name in facts.target.objects:
        if (kind, name) not in ours and name.schema in facts.copied.server.schemas:
            yield f"{kind} {name}", _taking_away(kind, name)


def _taking_away(kind: Kind, name: TableName) -> str:
    if kind is Kind.SEQUENCE:
        return quarantine.move(name, _KEPT, ())
    return f"INSERT INTO {quarantine.QUARANTINE} …; {definitions.drop(kind, name.schema, name.table)}"

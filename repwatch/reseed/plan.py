"""The steps of a reseed, as they are shown and as they are run."""

import hashlib
from collections import Counter

from repwatch.model.plan import Plan, Step
from repwatch.reseed.facts import Facts
from repwatch.reseed.preconditions import refusals
from repwatch.sql import definitions, replication, reseed

METHOD = "logical"
_REASON = (
    "a full copy over SQL from one snapshot of the source, the only method so far; the old data is dropped before the copy; "
    "accounts and their privileges are left as they are"
)


def make_plan(facts: Facts) -> Plan:
    """What would be done now. The hash stays the same while the servers, the schemas and the kinds of steps do."""
    steps = _steps(facts)
    marker = facts.target.marker
    again = f"; a reseed that was interrupted at {marker.stage.value!r} is taken up" if marker else ""
    return Plan(method=METHOD, reason=_REASON + again, plan_hash=_hash(facts, steps), refusals=refusals(facts), steps=steps)


def _hash(facts: Facts, steps: tuple[Step, ...]) -> str:
    source, target = facts.source.server, facts.target.server
    parts = [METHOD, source.key, str(source.address), target.key, str(target.address), facts.channel, facts.source.fingerprint]
    # The schemas that are dropped are part of what a person agrees to; on the way through they come and go.
    parts += sorted({step.what for step in steps if not facts.target.marker or not step.what.startswith("drop ")})
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _steps(facts: Facts) -> tuple[Step, ...]:
    version, channel = facts.target.server.version, facts.channel
    target, source = str(facts.target.server.address), str(facts.source.server.address)
    hold = replication.set_delay(version, channel, replication.HOLD_DELAY)
    steps = [
        Step(what="mark the replica as half loaded", where=target, statement=reseed.CREATE_MARKER[0], reversible=True),
        Step(what="make the replica read-only", where=target, statement=reseed.set_read_only(on=True), reversible=True),
        Step(what="hold replication", where=target, statement=hold, reversible=True),
        Step(what="take a snapshot", where=source, statement="START TRANSACTION WITH CONSISTENT SNAPSHOT", reversible=True),
        *_data_steps(facts, target),
        Step(
            what="delete the replica's own binary logs", where=target, statement=reseed.forget_history(version), reversible=False
        ),
        Step(
            what="set the position",
            where=target,
            statement=reseed.set_position(version, "<position of the snapshot>"),
            reversible=False,
        ),
        Step(what="attach to the source", where=target, statement=_attach(facts), reversible=False),
        Step(
            what="start replication and catch up",
            where=target,
            statement=replication.start_channel(version, channel),
            reversible=True,
        ),
        Step(what="compare all rows with the source", where=target, statement="SELECT …", reversible=True),
        Step(what="remove the mark", where=target, statement=reseed.DROP_MARKER, reversible=False),
    ]
    return tuple(steps)


def _data_steps(facts: Facts, target: str) -> list[Step]:
    present = set(facts.source.server.schemas)
    steps = [
        Step(
            what=f"drop {name}" if name in present else f"drop {name}, which the source does not have",
            where=target,
            statement=definitions.drop_schema(name),
            reversible=False,
        )
        for name in facts.dropped_schemas
    ]
    rows: Counter[str] = Counter()
    for table in facts.source.tables:
        rows[table.name.schema] += table.rows
    steps += [
        Step(
            what=f"copy {name}",
            where=target,
            statement=f"CREATE …; INSERT … (about {rows[name]} rows); views, routines, triggers; events disabled",
            reversible=False,
        )
        for name in facts.source.server.schemas
    ]
    return steps


def _attach(facts: Facts) -> str:
    version = facts.target.server.version
    if facts.follows_source:
        return replication.follow_by_gtid(version, facts.channel)
    address = facts.source.server.address
    return f"CHANGE … {address}, user and password from the configuration"

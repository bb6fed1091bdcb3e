"""The steps of a reseed, as they are shown and as they are run."""

import hashlib
from collections import Counter
from dataclasses import replace

from repwatch.health.errors_receiver import is_purged
from repwatch.model.plan import Plan, Step
from repwatch.model.schema import TableName
from repwatch.reseed import clone
from repwatch.reseed.choice import Choice, choose
from repwatch.reseed.facts import Facts
from repwatch.reseed.file_steps import copying_steps, discarding_step
from repwatch.reseed.host_preconditions import host_refusals
from repwatch.reseed.method import Method, Why
from repwatch.reseed.preconditions import refusals
from repwatch.reseed.quarantine_steps import is_table, quarantine_steps, trigger_steps
from repwatch.reseed.roles import some
from repwatch.reseed.sizes import size_text
from repwatch.sql import definitions, replication, reseed
from repwatch.sql.definitions import Kind
from repwatch.sql.rowload import set_local_infile

_WHY = {
    Why.ASKED: "as asked for",
    Why.TAKEN_UP: "a reseed that began so is taken up",
    Why.MOSTLY_ALIKE: "most of the data is in tables that the replica has too, with the same definition and about as many rows",
    Why.EMPTY: "the replica has no tables",
    Why.FAR_OFF: "most of the data is in tables that the replica lacks, or has with another definition or size",
}
_HOW = {
    Method.DIFFERENTIAL: "everything is compared with one snapshot of the source, and only rows that differ are written; "
    "accounts and their privileges are left as they are",
    Method.LOGICAL: "all data is copied from one snapshot of the source, what has the same name is dropped before; "
    "accounts and their privileges are left as they are",
    Method.CLONE: "the server replaces all its files by those of the source and restarts, so that it has the source's accounts "
    "too; its old data is removed first, and what was set at run time without SET PERSIST is forgotten",
    Method.PHYSICAL: "the source's files are copied beside the data folder of the replica and take its place; the old ones are "
    "kept until all is proved. Accounts, privileges and everything else in the system schemas become the source's; the replica's "
    "own option file, and with it server_id and settings, stays",
    Method.TABLE: "these tables alone are compared with one snapshot of the source at whose position the replica is held, and "
    "rows that differ are written; their foreign keys are not looked at meanwhile",
}


_ON_THE_WAY = ("drop ", "quarantine ")


def make_plan(facts: Facts) -> Plan:
    """What would be done now. The hash stays the same while the servers, the schemas and the kinds of steps do."""
    choice = choose(facts)
    steps = (*_export_steps(facts, choice), *_steps_of(facts, choice))
    reason = f"{_WHY[choice.why]}: {_HOW[choice.method]}"
    if choice.method is Method.LOGICAL and choice.why is not Why.ASKED and facts.hosts and (why := host_refusals(facts)):
        reason += f"; files cannot be copied, because of {some([refusal.code for refusal in why])}"
    if facts.target.marker:
        where = f"interrupted at {facts.target.marker.stage.value!r}"
        reason += f"; it was {where}" if choice.why is Why.TAKEN_UP else f"; a reseed that was {where} is taken up"
        if facts.target.marker.loaded and facts.current and is_purged(facts.current.receiver_errno, facts.current.receiver_error):
            reason += ", and its copy made anew, for the source has purged what follows it"
    if choice.method in (Method.DIFFERENTIAL, Method.LOGICAL, Method.CLONE):
        reason += _room(facts, choice.method)
    if facts.target.errant and choice.method is not Method.TABLE:
        saved = "saved to a file first" if facts.export else "--export-errant FILE saves them first"
        reason += f"; transactions that only the replica has will be lost ({saved}): {facts.target.errant}"
    if choice.method is Method.TABLE and (others := _connected(facts, choice.tables)):
        reason += f"; tables that foreign keys connect with them are not compared: {some(others)}"
    if facts.donor:
        reason += f"; the data is taken from {facts.copied.server.address}, and compared with the source at the end"
    plan_hash = _hash(facts, choice, steps)
    return Plan(method=choice.method.value, reason=reason, plan_hash=plan_hash, refusals=refusals(facts, choice), steps=steps)


def agreed_plan(facts: Facts, plan_hash: str) -> tuple[Facts, Plan]:
    """The plan of the moment; or the one that was agreed to, where estimates have moved since and speak for another method."""
    plan = make_plan(facts)
    if plan.plan_hash != plan_hash and choose(facts).why not in (Why.ASKED, Why.TAKEN_UP):
        for other in (Method.DIFFERENTIAL, Method.LOGICAL, Method.CLONE, Method.PHYSICAL):
            asked = replace(facts, asked=other)
            if make_plan(asked).plan_hash == plan_hash:
                return asked, make_plan(asked)
    return facts, plan


def _room(facts: Facts, method: Method) -> str:
    """What the copy needs of the target's disk, so that somebody looks: no statement of SQL tells how much is free."""
    if method is Method.CLONE:
        if facts.clone is None:
            return ""  # it is refused
        ours, theirs = facts.clone.donor.file_bytes, facts.clone.target.file_bytes
        # The server compares its own estimate with its disk (error 3873) when the old data is gone.
        sizes = f"the files take {size_text(ours)}, and the replica's own, {size_text(theirs)}, are removed before"
    else:
        size = size_text(sum(table.data_bytes for table in facts.copied.tables))
        there = ", most of which the replica should have already" if method is Method.DIFFERENTIAL else ""
        sizes = f"the data takes about {size} without indexes{there}"
    return f"; {sizes}; how much room the replica's disk has is not known"


def _steps_of(facts: Facts, choice: Choice) -> tuple[Step, ...]:
    match choice.method:
        case Method.TABLE:
            return _table_steps(facts, choice.tables)
        case Method.PHYSICAL:
            *last, unmark = _last_steps(facts, by_files=True)
            last = [replace(step, reversible=True) for step in last]  # on the copy, which the old folder takes the place of again
            return (*_first_steps(facts)[:-1], *copying_steps(facts), *last, discarding_step(facts), unmark)
        case Method.CLONE:
            return (*_ready_steps(facts), *clone.steps(facts), *_end_steps(facts, by_files=True))
        case _:
            return _steps(facts, choice.method)


def _connected(facts: Facts, tables: tuple[TableName, ...]) -> list[str]:
    pairs = [pair for pair in (*facts.copied.foreign_keys, *facts.target.foreign_keys) if set(pair) & set(tables)]
    return sorted({str(name) for pair in pairs for name in pair if name not in tables})


def _hash(facts: Facts, choice: Choice, steps: tuple[Step, ...]) -> str:
    source, target = facts.source.server, facts.target.server
    parts = [source.key, str(source.address), target.key, str(target.address), facts.channel, facts.copied.fingerprint]
    parts += [choice.method.value, *map(str, choice.tables)]
    parts += [facts.donor.data.server.key, str(facts.donor.data.server.address)] if facts.donor else []
    # What goes is part of what a person agrees to; on the way through it comes and goes.
    parts += sorted({step.what for step in steps if not facts.target.marker or not step.what.startswith(_ON_THE_WAY)})
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _first_steps(facts: Facts) -> tuple[Step, ...]:
    source = str(facts.copied.server.address)
    snapshot = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
    taking = Step(what="take a snapshot", where=source, statement=snapshot, reversible=True)
    return (*_ready_steps(facts), *_around(facts, taking))


def _around(facts: Facts, taking: Step) -> tuple[Step, ...]:
    """A replica that stands for the source is held for that moment."""
    if facts.donor is None:
        return (taking,)
    version, channel, where = facts.donor.data.server.version, facts.donor.channel, taking.where
    still = replication.set_delay(version, channel, replication.HOLD_DELAY)
    going = replication.start_channel(version, channel)
    return (
        Step(what="hold replication of the donor", where=where, statement=still, reversible=True),
        taking,
        Step(what="let the donor go", where=where, statement=going, reversible=True),
    )


def _ready_steps(facts: Facts) -> tuple[Step, ...]:
    target = str(facts.target.server.address)
    hold = replication.set_delay(facts.target.server.version, facts.channel, replication.HOLD_DELAY)
    return (
        Step(what="mark the replica as half loaded", where=target, statement=reseed.CREATE_MARKER[0], reversible=True),
        Step(what="make the replica read-only", where=target, statement=reseed.set_read_only(on=True), reversible=True),
        Step(what="hold replication", where=target, statement=hold, reversible=True),
    )


def _export_steps(facts: Facts, choice: Choice) -> tuple[Step, ...]:
    if choice.method is Method.TABLE or not (facts.export and facts.target.errant):
        return ()
    what = "save the transactions that only the replica has to a file"
    return (Step(what=what, where=str(facts.target.server.address), statement="mysqlbinlog …", reversible=True),)


def _table_steps(facts: Facts, tables: tuple[TableName, ...]) -> tuple[Step, ...]:
    version, channel = facts.target.server.version, facts.channel
    target = str(facts.target.server.address)
    until = replication.start_until(version, channel, "<position of the snapshot>")
    return (
        *_first_steps(facts),
        Step(what="run up to the snapshot", where=target, statement=until, reversible=False),
        _trusting_step(target),
        *trigger_steps(facts, tables),
        *_redefined_tables(facts, target, set(tables)),
        *(
            Step(
                what=f"compare {name} and rewrite the rows that differ",
                where=target,
                statement="DELETE …; INSERT …; its triggers are made anew",
                reversible=False,
            )
            for name in tables
        ),
        Step(
            what="start replication and catch up",
            where=target,
            statement=replication.start_channel(version, channel),
            reversible=True,
        ),
        Step(what="compare these tables with the source", where=target, statement="SELECT …", reversible=True),
        _unmarking_step(target),
    )


def _steps(facts: Facts, method: Method) -> tuple[Step, ...]:
    target = str(facts.target.server.address)
    middle = _rewriting_steps(facts, target) if method is Method.DIFFERENTIAL else _copying_steps(facts, target)
    files = _file_steps(facts, target) if method is Method.LOGICAL else ()
    return (*_first_steps(facts), _trusting_step(target), *files, *middle, *_last_steps(facts))


def _trusting_step(target: str) -> Step:
    what = "let functions and triggers be made without SUPER, until the copy is done"
    return Step(what=what, where=target, statement=reseed.set_trust_creators(on=True), reversible=True)


def _file_steps(facts: Facts, target: str) -> tuple[Step, ...]:
    if facts.target.local_infile:
        return ()
    what = "take rows as files, where the account may allow that, until the copy is done"
    return (Step(what=what, where=target, statement=set_local_infile(on=True), reversible=True),)


def _last_steps(facts: Facts, *, by_files: bool = False) -> tuple[Step, ...]:
    version, target = facts.target.server.version, str(facts.target.server.address)
    return (
        Step(
            what="delete the replica's own binary logs", where=target, statement=reseed.forget_history(version), reversible=False
        ),
        Step(
            what="set the position",
            where=target,
            statement=reseed.set_position(version, "<position of the snapshot>"),
            reversible=False,
        ),
        *_end_steps(facts, by_files=by_files),
    )


def _end_steps(facts: Facts, *, by_files: bool) -> tuple[Step, ...]:
    version, channel = facts.target.server.version, facts.channel
    target = str(facts.target.server.address)
    return (
        Step(what="attach to the source", where=target, statement=_attach(facts, by_files=by_files), reversible=False),
        Step(
            what="start replication and catch up",
            where=target,
            statement=replication.start_channel(version, channel),
            reversible=True,
        ),
        Step(what="compare all rows with the source", where=target, statement="SELECT …", reversible=True),
        _unmarking_step(target),
    )


def _unmarking_step(target: str) -> Step:
    what = "remove the mark, and with it what is in quarantine"
    return Step(what=what, where=target, statement=reseed.DROP_MARKER, reversible=False)


def _redefined_tables(facts: Facts, target: str, among: set[TableName]) -> list[Step]:
    """Tables of the target that are dropped, for the source has another one of that name."""
    ours = {table.name: table.definition for table in facts.copied.tables if table.definition}
    return [
        Step(
            what=f"drop {table.name} and copy it, for its definition differs",
            where=target,
            statement=definitions.drop(Kind.TABLE, table.name.schema, table.name.table),
            reversible=False,
        )
        for table in facts.target.tables
        if table.name in among and table.name in ours and is_table(table) and table.definition != ours[table.name]
    ]


def _rewriting_steps(facts: Facts, target: str) -> list[Step]:
    return [
        *quarantine_steps(facts),
        *_redefined_tables(facts, target, {table.name for table in facts.target.tables}),
        *(
            Step(
                what=f"compare {name} and rewrite the rows that differ",
                where=target,
                statement="DELETE …; INSERT …; views, routines, triggers and events are made anew; events disabled",
                reversible=False,
            )
            for name in facts.copied.server.schemas
        ),
    ]


def _copying_steps(facts: Facts, target: str) -> list[Step]:
    steps = list(quarantine_steps(facts))
    steps += [
        Step(what=f"drop {name}", where=target, statement=definitions.drop_schema(name), reversible=False)
        for name in facts.dropped_schemas
        if name in facts.copied.server.schemas
    ]
    rows: Counter[str] = Counter()
    for table in facts.copied.tables:
        rows[table.name.schema] += table.rows
    steps += [
        Step(
            what=f"copy {name}",
            where=target,
            statement=f"CREATE …; INSERT … (about {rows[name]} rows); views, routines, triggers; events disabled",
            reversible=False,
        )
        for name in facts.copied.server.schemas
    ]
    return steps


def _attach(facts: Facts, *, by_files: bool) -> str:
    version = facts.target.server.version
    comes_along = by_files and not facts.login  # a clone of a replica has its channel
    if comes_along or (facts.follows_source and not by_files):
        return replication.follow_by_gtid(version, facts.channel)
    address = facts.source.server.address
    return f"CHANGE … {address}, user and password from the configuration"

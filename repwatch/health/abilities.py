"""Which verbs the accounts of a server may run on it, and what each of the others lacks there; for `doctor`.

What a verb needs is what it refuses to begin without: the lists are those of `sql/privileges.py`, and there are no others.
"""

from collections.abc import Iterator

from repwatch.health import checkup_copies
from repwatch.health.checkup import Ability, Failed, Level, Login, Look, Verb
from repwatch.model.server import ServerVersion
from repwatch.sql.grants import covered_by_schemas, held, missing, missing_on_table
from repwatch.sql.heartbeat import writing_needs
from repwatch.sql.privileges import (
    Grant,
    applied_statements_needs,
    clone_needs,
    drift_needs,
    export_needs,
    lock_hot_needs,
    moment_needs,
    operator_needs,
    restart_needs,
)

_OPERATING = (Verb.DRIFT_EXACT, Verb.REPAIR, Verb.RESEED_DIFFERENTIAL, Verb.RESEED_LOGICAL, Verb.RESEED_TABLE)


def abilities(look: Look, *, is_source: bool, heartbeat: str | None) -> tuple[Ability, ...]:
    """All verbs that there are for this server. `heartbeat`: the database of one, where the configuration wants it."""
    return (*_watching(look, is_source=is_source, heartbeat=heartbeat), *_operating(look, is_source=is_source))


def _watching(look: Look, *, is_source: bool, heartbeat: str | None) -> Iterator[Ability]:
    """What the watching account does."""
    user, version = look.login.user, look.version
    yield Ability(verb=Verb.DRIFT, account=user, lacks=_to_check(look, is_source=is_source))
    if not is_source:
        yield _better_check(look)
    if is_source:
        lacks = _lacking(look.login, lock_hot_needs(version), version)
        yield Ability(verb=Verb.DRIFT_LOCK_HOT, account=user, lacks=lacks)
    if is_source and heartbeat is not None:
        yield Ability(verb=Verb.HEARTBEAT, account=user, lacks=_of_table(look.login, writing_needs(heartbeat)))


def _better_check(look: Look) -> Ability:
    """What decides a busy table at once, as far as the account goes."""
    user, login = look.login.user, look.login
    if look.version.is_mariadb:
        return Ability(verb=Verb.DRIFT_AT_ONE_MOMENT, account=user, lacks=_of_table(login, moment_needs()))
    hindrance = "" if look.is_on("performance_schema") else "performance_schema is off"
    lacks = _of_table(login, applied_statements_needs())
    return Ability(verb=Verb.DRIFT_BY_ROW_IMAGES, account=user, lacks=lacks, hindrance=hindrance)


def _to_check(look: Look, *, is_source: bool) -> tuple[Grant, ...]:
    """What a check lacks; one whose account has it on some schemas sees those."""
    holds = held(look.login.grants, look.version)
    lacking = missing(drift_needs(look.version, is_source=is_source), holds)
    return tuple(grant for grant in lacking if not covered_by_schemas((grant,), holds))


def _operating(look: Look, *, is_source: bool) -> Iterator[Ability]:
    """What the operator does, or the watching account where there is none."""
    login, version = look.operator or look.login, look.version

    def of(verb: Verb, *needs: Grant, hindrance: str = "") -> Ability:
        if isinstance(login, Failed):
            return Ability(verb=verb, account="", hindrance=f"the operator account: {login.text}")
        return Ability(verb=verb, account=login.user, lacks=_lacking(login, needs, version), hindrance=hindrance)

    operating = operator_needs(version)
    yield from (of(verb, *operating) for verb in _OPERATING)
    if look.can_clone is not None:
        needs = operating if is_source else (*operating, *clone_needs(version))
        yield of(Verb.RESEED_CLONE, *needs, hindrance="" if look.can_clone else "no clone plugin is active")
    if version.is_mariadb:
        yield of(Verb.RESEED_PHYSICAL, *operating, hindrance=_no_files(look, is_source=is_source))
    if not is_source:
        yield of(Verb.RESEED_EXPORT, *operating, *export_needs())
        yield of(Verb.RESTART, *restart_needs(version))


def _no_files(look: Look, *, is_source: bool) -> str:
    if look.machine is None:
        return "its machine is not in the configuration (host)"
    remarks = checkup_copies.machine(look, receives=not is_source)
    return next((remark.text for remark in remarks if remark.level is Level.PROBLEM), "")


def _lacking(login: Login, needs: tuple[Grant, ...], version: ServerVersion) -> tuple[Grant, ...]:
    return missing(needs, held(login.grants, version))


def _of_table(login: Login, need: Grant) -> tuple[Grant, ...]:
    lacking = missing_on_table(login.grants, need)
    return (Grant(lacking, need.on),) if lacking else ()

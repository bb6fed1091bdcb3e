"""What an account may run, from what it was granted: old servers, other accounts, and what is no privilege."""

from dataclasses import replace

import pytest

from repwatch.health.abilities import abilities
from repwatch.health.checkup import Ability, Failed, Login, Look, Verb
from repwatch.model.server import ServerVersion
from repwatch.sql.privileges import clone_grants, operator_grants
from tests.unit.health.looks import MARIADB, MYSQL, look

VERSIONS = ["5.7.44", "8.0.36", MYSQL, "10.4.34-MariaDB", "10.5.8-MariaDB", MARIADB, "11.8.3-MariaDB"]
SQL_LOG_BIN = "SET sql_log_bin"


def found(seen: Look, *, is_source: bool = False, heartbeat: str | None = None) -> dict[Verb, Ability]:
    return {ability.verb: ability for ability in abilities(seen, is_source=is_source, heartbeat=heartbeat)}


def operating(version: str) -> Login:
    parsed = ServerVersion.parse(version)
    return Login(user="op@%", grants=tuple(grant.format(account="`op`@`%`") for grant in operator_grants(parsed)))


@pytest.mark.parametrize("is_source", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_watching_account_checks_and_changes_nothing(version: str, is_source: bool) -> None:
    verbs = found(look("db1", version=version), is_source=is_source)
    able = {verb for verb, ability in verbs.items() if ability.able}
    assert Verb.DRIFT in able
    assert not able & {Verb.DRIFT_EXACT, Verb.REPAIR, Verb.RESEED_LOGICAL, Verb.RESEED_TABLE}
    refused = [statement for grant in verbs[Verb.REPAIR].lacks for statement in grant.refused]
    assert SQL_LOG_BIN in refused


@pytest.mark.parametrize("version", VERSIONS)
def test_the_operator_is_asked_where_there_is_one(version: str) -> None:
    seen = look("db1", version=version)
    verbs = found(replace(seen, operator=operating(version)))
    assert (verbs[Verb.REPAIR].able, verbs[Verb.REPAIR].account) == (True, "op@%")
    assert verbs[Verb.DRIFT].account == seen.login.user
    shut_out = found(replace(seen, operator=Failed(text="its password is wrong")))
    assert (shut_out[Verb.REPAIR].able, shut_out[Verb.REPAIR].lacks) == (False, ())
    assert shut_out[Verb.DRIFT].able


def test_a_clone_takes_its_plugin_and_a_privilege_where_it_arrives() -> None:
    seen = replace(look("db1", version=MYSQL), operator=operating(MYSQL))
    assert Verb.RESEED_CLONE not in found(seen)  # a version without it
    assert not found(replace(seen, can_clone=False), is_source=True)[Verb.RESEED_CLONE].able
    there = replace(seen, can_clone=True)
    assert found(there, is_source=True)[Verb.RESEED_CLONE].able
    (lacking,) = found(there)[Verb.RESEED_CLONE].lacks
    granted = [grant.format(account="`op`@`%`") for grant in clone_grants(there.version)]
    assert [lacking.text.format(account="`op`@`%`")] == granted


def test_files_take_a_machine() -> None:
    seen = replace(look("db1", version=MARIADB), operator=operating(MARIADB))
    assert found(seen)[Verb.RESEED_PHYSICAL].hindrance
    assert found(replace(seen, machine=Failed(text="it is not reached")))[Verb.RESEED_PHYSICAL].hindrance
    assert Verb.RESEED_PHYSICAL not in found(look("db1", version=MYSQL))


def test_a_heartbeat_is_written_on_a_source_that_has_one() -> None:
    seen = look("db1")
    assert Verb.HEARTBEAT not in found(seen, is_source=True)
    assert Verb.HEARTBEAT not in found(seen, heartbeat="beats")
    beating = found(seen, is_source=True, heartbeat="beats")[Verb.HEARTBEAT]
    assert beating.lacks
    given = tuple(grant.text.format(account="`repwatch`@`%`") for grant in beating.lacks)
    login = replace(seen.login, grants=(*seen.login.grants, *given))
    assert found(replace(seen, login=login), is_source=True, heartbeat="beats")[Verb.HEARTBEAT].able


def test_what_decides_a_busy_table_at_once_takes_what_the_server_counts() -> None:
    seen = look("db1", version=MYSQL)
    for setting, able in (("ON", True), ("OFF", False)):
        there = replace(seen, variables={**seen.variables, "performance_schema": setting})
        assert found(there)[Verb.DRIFT_BY_ROW_IMAGES].able is able
        assert Verb.DRIFT_BY_ROW_IMAGES not in found(there, is_source=True)
    assert Verb.DRIFT_AT_ONE_MOMENT in found(look("db1", version=MARIADB))

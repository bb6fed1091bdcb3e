"""What the accounts of a reseed may do: on a server, and on the target once it has the accounts of where its data came from."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from repwatch.errors import LoginRefused
from repwatch.flows.beside import beside
from repwatch.model.endpoint import Endpoint
from repwatch.model.topology import ServerSpec
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import grants, inspect
from repwatch.sql.privileges import Grant, operator_needs, watch_needs

_LOOK: Final = Timeouts(connect=5.0, read=30.0)


def missing_grants(db: Database, needs: Iterable[Grant]) -> tuple[str, ...]:
    """The statements that would give the account what it lacks."""
    lines = [value for row in db.texts(inspect.SHOW_GRANTS) for value in row.values() if value]
    lacking = grants.missing(needs, grants.held(lines, db.version))
    account = db.scalar(inspect.CURRENT_USER) or ""
    return tuple(grants.statement(grant, account) for grant in lacking)


def shut_out(donor: Endpoint, replica: ServerSpec, connect: Connect) -> tuple[str, ...]:
    """Accounts that would not get into the target, or not far enough, once it has the donor's accounts."""
    tries = [beside(partial(_out, donor, replica, endpoint, connect), "try account") for endpoint in _accounts(replica)]
    return tuple(account for tried in tries if (account := tried.result()))


def _accounts(replica: ServerSpec) -> Iterable[Endpoint]:
    return dict.fromkeys((replica.writer, replica.endpoint))


def _out(donor: Endpoint, replica: ServerSpec, endpoint: Endpoint, connect: Connect) -> str:
    try:
        with connect(replace(donor, user=endpoint.user, password=endpoint.password), _LOOK) as db:
            needs = operator_needs(db.version) if endpoint == replica.writer else watch_needs(db.version)
            lacking = missing_grants(db, needs)
    except LoginRefused:
        return endpoint.user
    return f"{endpoint.user} ({'; '.join(lacking)})" if lacking else ""

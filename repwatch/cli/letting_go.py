"""Puts right, before a plan is made, what killed commands left of the replicas that they held.

Also where only a plan is asked for: a replica that stays held falls behind until somebody notices, and the plan would be
refused for it.
"""

from collections.abc import Collection

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import replica_targets
from repwatch.errors import Refused
from repwatch.flows.drift_holds import let_all_go
from repwatch.flows.turn import KILLED_SECONDS
from repwatch.model.topology import ClusterSpec, ReplicaTarget
from repwatch.ports.records import Records


def let_go_of_killed(cluster: ClusterSpec, ours: Collection[ReplicaTarget | None], holds: Records) -> None:
    """Names them on stderr, and those of whom it failed; raises Refused if one of these is among `ours`."""
    for target in replica_targets(cluster):
        try:
            let_all_go((target,), holds, Session.connect, SystemClock(), patience=KILLED_SECONDS, tell=_say)
        except Refused as error:
            if target in ours:
                raise
            click.echo(f"{error}\n  hint: {error.hint}", err=True)


def _say(label: str) -> None:
    click.echo(f"{label} was still held by a command that was killed: it replicates again as before", err=True)

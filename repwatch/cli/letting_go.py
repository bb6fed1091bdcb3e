"""Puts right, before a plan is made, what killed commands left of the replicas that they held."""

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
    """For those that are not `ours` the plan need not wait: they are named. Raises Refused, StoreError."""
    for target in replica_targets(cluster):
        try:
            let_all_go((target,), holds, Session.connect, SystemClock(), patience=KILLED_SECONDS)
        except Refused as error:
            if target in ours:
                raise
            click.echo(f"{error}\n  hint: {error.hint}", err=True)

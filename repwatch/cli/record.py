"""`repwatch record`: what the service would see, into a file that may be sent to somebody."""

from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.recording import Recorder
from repwatch.app.people import length
from repwatch.app.targets import choose_cluster, load_settings
from repwatch.cli.options import target_options
from repwatch.flows.probing import Probing
from repwatch.flows.recording import record as record_ticks
from repwatch.health.rules import diagnose


@click.command(epilog="Example: repwatch record shop --for 10m --output shop.recording")
@click.argument("cluster", required=False)
@click.option("--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The new file.")
@click.option("--for", "span", metavar="DURATION", default="10m", show_default=True, help="How long; Ctrl-C ends it earlier.")
@target_options
def record(  # noqa: PLR0913 - click hands each option over as an argument
    *,
    cluster: str | None,
    output: Path,
    span: str,
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
) -> int:
    """Look at the servers of one cluster as the service does, and write what is seen to a file that `repwatch replay` reads.

    The file holds no password; addresses, names of accounts, GTIDs and error texts, which may quote a row, are in it.
    """
    settings = load_settings(config, source, replicas, state)
    spec = choose_cluster(settings, cluster)
    clock = SystemClock()
    until = clock.monotonic() + length(span).total_seconds()
    prober = Prober(Session.connect_for_looks, clock, heartbeat=spec.heartbeat)
    try:
        with Recorder(output, spec) as recorder:
            for tick, seen in record_ticks(spec, diagnose, Probing(prober, clock), clock):
                recorder.add(tick)
                for notice in seen.notices:
                    click.echo(f"{notice.event} {notice.subject.key}: {notice.summary}", err=True)
                rest = until - clock.monotonic()
                if rest <= 0:
                    return 0
                clock.sleep(min(rest, spec.poll_interval.total_seconds()))
    finally:
        prober.close()
    return 0

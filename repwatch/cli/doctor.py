"""`repwatch doctor`: are the servers, the accounts and this machine as repwatch needs them?"""

from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.shell import HostShell
from repwatch.app.machine import check_machine
from repwatch.app.targets import choose_clusters, load_settings
from repwatch.cli.options import format_option, target_options
from repwatch.flows.doctor import examine
from repwatch.health.checkup import Checkup
from repwatch.render.doctor import doctor_json, doctor_text


@click.command()
@click.argument("cluster", required=False)
@target_options
@format_option("text", "json")
def doctor(  # noqa: PLR0913 - click hands each option over as an argument
    *,
    cluster: str | None,
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
    output_format: str,
) -> int:
    """Check connections, privileges, settings and the driver, of all clusters or of one.

    Missing privileges are printed as the GRANT statements that an administrator can run. Nothing is changed anywhere.

    \b
    Exit status: 0 no problems, 1 problems found, 2 wrong usage or configuration.

    \b
    Examples:
      repwatch doctor
      repwatch doctor --source mysql://repwatch@10.0.0.1 --replica mysql://repwatch@10.0.0.2
    """
    settings = load_settings(config, source, replicas, state)
    chosen = choose_clusters(settings, cluster)
    clock = SystemClock()
    checkup = Checkup(
        remarks=check_machine(settings, clock), clusters=examine(chosen, connect=Session.connect, clock=clock, shell=HostShell())
    )
    click.echo(doctor_json(checkup) if output_format == "json" else doctor_text(checkup))
    return 1 if checkup.problems else 0

"""`repwatch status`: one look at everything; a Nagios plugin."""

from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.app.lookup import current_view
from repwatch.app.targets import choose_clusters, load_settings
from repwatch.cli.options import format_option, target_options
from repwatch.errors import RepwatchError
from repwatch.model.view import State
from repwatch.render.status import status_json, status_text


@click.command(epilog="Example: repwatch status shop --format json")
@click.argument("cluster", required=False)
@target_options
@format_option("text", "json")
def status(  # noqa: PLR0913 - click hands each option over as an argument
    *,
    cluster: str | None,
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
    output_format: str,
) -> int:
    """Show the state of every server, and what is wrong with it.

    Reads what the service on the same configuration saw last; where no service ever ran, and with --source or --replica, it
    looks itself. Exit status, as of a Nagios plugin: 0 OK, 1 warning, 2 critical, 3 unknown (also for errors of usage).
    """
    clock = SystemClock()
    try:
        settings = load_settings(config, source, replicas, state)
        chosen = choose_clusters(settings, cluster)
        view = current_view(settings, chosen, clock)
    except RepwatchError as error:
        if output_format == "text":  # a plugin's first line on stdout is what Nagios shows
            click.echo(f"REPWATCH UNKNOWN - {error}".replace("\n", "; ").replace("|", "/"))
        raise
    click.echo(status_json(view) if output_format == "json" else status_text(view, clock.now()))
    return State(view.state).exit_status

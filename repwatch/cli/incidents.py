"""`repwatch incidents`: what is wrong and what was, with the keys that `ack` takes."""

from datetime import timedelta
from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.people import People
from repwatch.app.targets import choose_clusters, load_settings
from repwatch.cli.options import config_option, format_option
from repwatch.render.incidents import incidents_json, incidents_text

LONGEST_DAYS = 90  # the store keeps no more


@click.command(epilog="Example: repwatch incidents shop --days 7")
@click.argument("cluster", required=False)
@click.option("--days", type=click.IntRange(0, LONGEST_DAYS), default=0, help="Those that were resolved in so many days, too.")
@config_option
@format_option("text", "json")
def incidents(*, cluster: str | None, days: int, config: Path | None, output_format: str) -> int:
    """List the open incidents, the latest first, as the service has recorded them.

    Exit status: 0, whatever is open; 2 if they cannot be read.
    """
    settings = load_settings(config, None, (), None)
    wanted = {*([""] if cluster is None else []), *(spec.name for spec in choose_clusters(settings, cluster))}
    names = {str(s.endpoint.address): s.name for c in settings.clusters for s in c.servers if s.name}
    now = SystemClock().now()
    filed = People(settings.store_url).incidents(now - timedelta(days=days) if days else None)
    chosen = [each for each in filed if each.incident.subject.cluster in wanted]
    found = [each.incident for each in chosen]
    if output_format == "json":
        acknowledged = {each.incident.id: each.acknowledged for each in chosen if each.acknowledged}
        click.echo(incidents_json(found, names, acknowledged))
    else:
        click.echo(incidents_text(found, names, now))
    return 0

"""`repwatch replay`: what a recording comes to by the rules of this version."""

from itertools import chain
from pathlib import Path

import click

from repwatch.adapters.recording import read_recording
from repwatch.cli.options import format_option
from repwatch.errors import UsageError
from repwatch.flows.recording import replay as replay_ticks
from repwatch.health.rules import diagnose
from repwatch.render.replay import moves, replay_json, replay_text


@click.command(epilog="Example: repwatch replay shop.recording --format json")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@format_option("text", "json")
def replay(*, file: Path, output_format: str) -> int:
    """Say what the service would have found, and told, over the looks in FILE, which `repwatch record` has written.

    No server is asked and nobody is told.
    """
    cluster, ticks = read_recording(file)
    if (first := next(ticks, None)) is None:
        raise UsageError(f"{file} holds no look", hint="it ended before the first one was written: record for longer")
    seen = ((each.at, each.findings, each.notices) for each in replay_ticks(cluster, diagnose, chain((first,), ticks)))
    changes = tuple(moves(seen))
    if output_format == "json":
        click.echo(replay_json(cluster.name, changes))
    else:
        click.echo(replay_text(changes) or "Nothing was found.")
    return 0

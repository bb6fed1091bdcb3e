"""`repwatch ack`: somebody is at it."""

import os
from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.people import People
from repwatch.app.people import author as who
from repwatch.app.targets import load_settings
from repwatch.cli.options import config_option


@click.command(epilog="Example: repwatch ack shop/10.0.0.3:3306//applier-error")
@click.argument("key")
@click.option("--author", help="Who acknowledges; default: $USER.")
@config_option
def ack(*, key: str, author: str | None, config: Path | None) -> int:
    """Acknowledge the open incident with that KEY (or id), as `repwatch incidents` and every notice show it.

    All who were told of it are told who has it; reminders and escalation end. The service does so with its next look.
    """
    settings = load_settings(config, None, (), None)
    name = who(author, (os.environ.get("SUDO_USER"), os.environ.get("USER")))
    holder = People(settings.store_url).acknowledge(key, name, SystemClock().now())
    click.echo(f"acknowledged by {holder}" if holder == name else f"it was acknowledged by {holder} before", err=True)
    return 0

"""`repwatch silence`: nobody is to be told for a while."""

import os
from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.people import People
from repwatch.app.people import author as who
from repwatch.app.people import length as checked_length
from repwatch.app.people import said, silence_target
from repwatch.app.targets import load_settings
from repwatch.cli.options import config_option, format_option
from repwatch.errors import UsageError
from repwatch.model.silence import Silence
from repwatch.render.incidents import silences_json, silences_text
from repwatch.render.times import rfc3339


@click.command(epilog='Example: repwatch silence shop/db3 --for 2h --reason "new disks"')
@click.argument("target", required=False)
@click.option("--for", "length", metavar="DURATION", help="How long, such as 30m, 2h or 1d; 90 days at most.")
@click.option("--reason", help="Why; shown wherever the silence is.")
@click.option("--author", help="Who wants it; default: $USER.")
@click.option("--remove", type=click.IntRange(1), metavar="ID", help="End this one now.")
@config_option
@format_option("text", "json")
def silence(  # noqa: PLR0913 - click hands each option over as an argument
    *,
    target: str | None,
    length: str | None,
    reason: str | None,
    author: str | None,
    remove: int | None,
    config: Path | None,
    output_format: str,
) -> int:
    """Tell nobody of incidents of TARGET (`cluster[/server[/code]]`, * as wildcard) for a while; without TARGET list what holds.

    They remain facts: the status shows them, and what somebody was told of before is still resolved there. What is open
    when the silence ends is told then.
    """
    settings = load_settings(config, None, (), None)
    people, now = People(settings.store_url), SystemClock().now()
    if remove is not None:
        if target is not None:
            raise UsageError("--remove takes no TARGET", hint=f"repwatch silence --remove {remove}")
        people.end_silence(remove, now)
        return 0
    if target is None:
        found = people.silences(now)
        click.echo(silences_json(found) if output_format == "json" else silences_text(found, now))
        return 0
    if length is None or reason is None:
        raise UsageError("a silence needs --for and --reason", hint='repwatch silence shop/db3 --for 2h --reason "new disks"')
    wanted = Silence(
        target=silence_target(settings, target),
        author=who(author, (os.environ.get("SUDO_USER"), os.environ.get("USER"))),
        reason=said(reason, "--reason"),
        since=now,
        until=now + checked_length(length),
    )
    number = people.silence(wanted)
    click.echo(f"silence {number} holds until {rfc3339(wanted.until)}; `repwatch silence --remove {number}` ends it", err=True)
    return 0

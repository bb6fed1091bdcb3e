"""`repwatch demo`: the guided story on real servers of this machine."""

import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

from repwatch.errors import Interrupted, UsageError
from repwatch.model.server import Flavour


@click.command(
    epilog="""\b
Example:
  repwatch demo                     # on a terminal: tell the story, then stay until Ctrl-C
  repwatch demo --once --flavour mysql
"""
)
@click.option("--flavour", type=click.Choice([each.value for each in Flavour]), default=Flavour.MARIADB.value, show_default=True)
@click.option("--once", is_flag=True, help="Check every step, clean up and exit 0 or 1; so it is, too, without a terminal.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Keep reports and logs here.")
@click.option("--rows", type=click.IntRange(min=140_000), default=200_000, show_default=True, help="Rows in the shop.")
def demo(flavour: str, once: bool, folder: Path | None, rows: int) -> int:
    """Tell the story: a replica halts, another drifts, both are put right and proved right."""
    try:
        from repwatch.sandbox.demo.narrator import Narrator  # noqa: PLC0415 - needs the extra `demo`
        from repwatch.sandbox.demo.story import Showing, play  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(f"the demo needs the package {error.name}", hint="install repwatch[demo], or use scripts/demo") from None
    signal.signal(signal.SIGTERM, lambda number, _: _end(number))
    showing = Showing(flavour=Flavour(flavour), stay=not once and sys.stdout.isatty(), folder=folder, rows=rows)
    return play(showing, Narrator())


def _end(number: int) -> NoReturn:
    raise Interrupted(number)

"""The `repwatch` command: the group, and the one place where an error becomes a message and an exit status."""

import sys

import click

from repwatch import __version__
from repwatch.errors import RepwatchError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="repwatch")
def cli() -> None:
    """Supervise MySQL and MariaDB replication."""


def main() -> None:
    """Run the command line and exit with the status that the contract gives."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RepwatchError as error:
        click.echo(f"repwatch: {error}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        sys.exit(error.exit_status)
    sys.exit(status if isinstance(status, int) else 0)

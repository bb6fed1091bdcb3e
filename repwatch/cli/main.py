"""The `repwatch` command: the group of its verbs."""

import gc
import importlib
import sys

import click

from repwatch import __version__
from repwatch.cli.boundary import guard

# Verb -> module; the module has a click command of the verb's name. Imported only when used, so that start-up stays fast.
VERBS = {
    "ack": "repwatch.cli.ack",
    "demo": "repwatch.cli.demo",
    "doctor": "repwatch.cli.doctor",
    "drift": "repwatch.cli.drift",
    "explain": "repwatch.cli.explain",
    "incidents": "repwatch.cli.incidents",
    "init": "repwatch.cli.init",
    "record": "repwatch.cli.record",
    "repair": "repwatch.cli.repair",
    "replay": "repwatch.cli.replay",
    "reseed": "repwatch.cli.reseed",
    "run": "repwatch.cli.run",
    "sandbox": "repwatch.cli.sandbox",
    "silence": "repwatch.cli.silence",
    "status": "repwatch.cli.status",
}


# Modules stay, and looks and comparisons make many objects and next to no cycles. The collector of cycles (Python manual, "gc";
# after 700 objects by default) took a tenth of each start, and of what it costs to watch a thousand servers.
YOUNG_OBJECTS = 20_000


class LazyGroup(click.Group):
    """A group that imports a verb's module when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, None if there is none."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(VERBS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="repwatch")
def cli() -> None:
    """Supervise MySQL and MariaDB replication."""


def main() -> None:
    """Run the command line and exit with the status that the contract gives."""
    gc.set_threshold(YOUNG_OBJECTS)
    verb = next((word for word in sys.argv[1:] if word in VERBS), "")
    sys.exit(guard(verb, lambda: cli.main(standalone_mode=False)))

"""Options that several verbs share, so that they read the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration; default: $REPWATCH_CONFIG, ./repwatch.toml, /etc/repwatch/repwatch.toml.",
)
_TARGETS = (
    click.option("--source", metavar="URL", help="The source, mysql://user:password@host:port; a configuration is then ignored."),
    click.option("--replica", "replicas", metavar="URL", multiple=True, help="A replica, in the same form; repeatable."),
    click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for what must survive; default without a configuration: $XDG_STATE_HOME/repwatch.",
    ),
)


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config`; the command receives `config: Path | None`."""
    return _CONFIG(command)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config, --source, --replica and --state; the command receives `config`, `source`, `replicas` and `state`."""
    for option in reversed((_CONFIG, *_TARGETS)):
        command = option(command)
    return command


def format_option(*formats: str) -> Decorator:
    """Add `--format`, the first being the default; the command receives `output_format: str`."""
    return click.option(
        "--format", "output_format", type=click.Choice(formats), default=formats[0], show_default=True, help="Form of the output."
    )

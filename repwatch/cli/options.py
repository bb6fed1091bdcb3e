"""Options that several verbs share, so that they read the same everywhere."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from repwatch.app.config_values import positive_duration

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
_CHANGE = (
    click.option("--channel", default=None, help="The channel, where the replica has several."),
    click.option(
        "--apply", "apply_it", is_flag=True, help="Do it. Asks on a terminal; elsewhere --plan-hash or --yes is needed."
    ),
    click.option("--plan-hash", help="With --apply: only if the plan is still the one with this hash."),
    click.option("--yes", is_flag=True, help="With --apply: take the plan of the moment."),
)


class _Duration(click.ParamType[timedelta]):
    """A length of time as the configuration writes it."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """`30s`, `5m`, `1h30m`."""
        if isinstance(value, timedelta):
            return value
        try:
            return positive_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = _Duration()


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config`; the command receives `config: Path | None`."""
    return _CONFIG(command)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config, --source, --replica and --state; the command receives `config`, `source`, `replicas` and `state`."""
    return _with(command, (_CONFIG, *_TARGETS))


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --channel, --apply, --plan-hash and --yes; the command receives `channel`, `apply_it`, `plan_hash` and `yes`."""
    return _with(command, _CHANGE)


def _with(command: Callable[..., Any], options: tuple[Decorator, ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def format_option(*formats: str) -> Decorator:
    """Add `--format`, the first being the default; the command receives `output_format: str`."""
    return click.option(
        "--format", "output_format", type=click.Choice(formats), default=formats[0], show_default=True, help="Form of the output."
    )

"""`repwatch sandbox`: real servers with replication between them, on this machine, to be broken at will."""

import signal
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from repwatch.errors import Interrupted, UsageError
from repwatch.model.server import Flavour
from repwatch.sandbox import plan
from repwatch.sandbox.accounts import Account
from repwatch.sandbox.breakage import BREAKAGES, apply
from repwatch.sandbox.configuration import write_secret
from repwatch.sandbox.control import STOP, ControlSocket, Order, tell
from repwatch.sandbox.folders import CONFIGURATION
from repwatch.sandbox.shop import load_shop
from repwatch.sandbox.topology import Sandbox
from repwatch.sandbox.workload import Writer

FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The sandbox's folder; default: a temporary one.",
)
CATCH_UP_SECONDS = 300


@click.group(
    epilog="""\b
Example:
  repwatch sandbox start --flavour mysql --replicas 2     # in one terminal, until Ctrl-C
  repwatch sandbox break applier-duplicate                # in another
  repwatch sandbox stop
"""
)
def sandbox() -> None:
    """Real servers on this machine: start them, break them, stop them."""


@sandbox.command(epilog="\b\nExample:\n  repwatch sandbox start --flavour mariadb --chain 2 --rows 10000 --writes 20")
@click.option("--flavour", type=click.Choice([each.value for each in Flavour]), default=Flavour.MARIADB.value, show_default=True)
@click.option("--replicas", type=click.IntRange(0, 20), help="A source with this many replicas; 2 if no topology is named.")
@click.option("--chain", type=click.IntRange(1, 20), help="A source, its replica, that one's replica, and so on.")
@click.option("--multi-source", is_flag=True, help="One replica of two sources, by a named channel each.")
@click.option("--rows", type=click.IntRange(min=0), default=10_000, show_default=True, help="Rows of a shop to load; 0 for none.")
@click.option("--writes", type=click.IntRange(0, 1000), default=0, show_default=True, help="Transactions a second on the shop.")
@FOLDER
def start(  # noqa: PLR0913 - one for each option
    *, flavour: str, replicas: int | None, chain: int | None, multi_source: bool, rows: int, writes: int, folder: Path | None
) -> int:
    """Start servers and keep them until Ctrl-C, SIGTERM or `repwatch sandbox stop`; nothing is left afterwards."""
    links = _links(replicas, chain, multi_source)
    if writes and not rows:
        raise UsageError("--writes needs a shop to write to", hint="add --rows 10000")
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        with ExitStack() as stack:
            click.echo(f"starting {flavour} servers …", err=True)
            box = stack.enter_context(Sandbox.start(Flavour(flavour), links=links, folder=folder))
            control = ControlSocket(box.folder)
            stack.callback(control.close)
            if rows:
                load_shop(box.source, rows)
                box.wait_caught_up(CATCH_UP_SECONDS)
            if writes:
                stack.enter_context(Writer(box.source, rate=writes))
            _describe(box)
            control.serve(lambda order: apply(box, order.action, order.server))
    except Interrupted:
        click.echo("stopped", err=True)
    return 0


def _list_of_breakages() -> str:
    lines = [f"  {name:<18} {(each.__doc__ or '').strip()}" for name, each in BREAKAGES.items()]
    return "Break a running sandbox, or mend it.\n\n\b\nWHAT is one of:\n" + "\n".join(lines)


@sandbox.command(
    "break", help=_list_of_breakages(), epilog="\b\nExample:\n  repwatch sandbox break freeze-server --server source"
)
@click.argument("what", type=click.Choice(list(BREAKAGES)), metavar="WHAT")
@click.option("--server", metavar="NAME", help="Which server; default: the first replica.")
@FOLDER
def break_(what: str, server: str | None, folder: Path | None) -> int:
    """Have the running sandbox do it."""
    click.echo(tell(folder, Order(what, server)))
    return 0


@sandbox.command(epilog="\b\nExample:\n  repwatch sandbox stop --folder DIR")
@FOLDER
def stop(folder: Path | None) -> int:
    """Stop a running sandbox and remove its data."""
    click.echo(tell(folder, Order(STOP)))
    return 0


def _links(replicas: int | None, chain: int | None, multi_source: bool) -> tuple[plan.Link, ...]:
    if sum((replicas is not None, chain is not None, multi_source)) > 1:
        raise UsageError("choose one of --replicas, --chain and --multi-source")
    if multi_source:
        return plan.multi_source()
    if chain is not None:
        return plan.chain(chain)
    return plan.star(2 if replicas is None else replicas)


def _describe(box: Sandbox) -> None:
    """Addresses, accounts and the configuration; passwords are named by their files."""
    path = box.folder / CONFIGURATION
    path.touch(mode=0o600)
    path.write_text(box.configuration(), encoding="utf-8")
    for server in box.servers:
        sources = [
            f"{link.source}{f' (channel {link.channel})' if link.channel else ''}"
            for link in box.links
            if link.replica == server.name
        ]
        click.echo(f"{server.name:<10} {server.address}" + (f"  replicates from {', '.join(sources)}" if sources else ""))
    for account in Account:
        click.echo(f"{account.value:<12} password in {write_secret(account, box.credentials.secret(account), box.folder)}")
    click.echo(f"configuration: {path}")
    click.echo("ready: Ctrl-C ends it")


def _end(number: int, _: FrameType | None) -> None:
    # The first signal begins to clean up; another one must not interrupt that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted(number)

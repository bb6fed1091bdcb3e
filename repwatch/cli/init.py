"""`repwatch init URL`: a configuration out of one server's address."""

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import given_server
from repwatch.app.urls import parse_url
from repwatch.flows.discover import discover
from repwatch.model.endpoint import EnvSecret
from repwatch.render.configuration import configuration_text


@click.command()
@click.argument("url")
def init(*, url: str) -> int:
    """Discover the topology from one server, and print a commented configuration.

    URL is any server of the cluster, mysql://user:password@host:port. The same account is tried on the others. Passwords
    are not printed: the configuration takes them from the environment. Nothing is changed anywhere.

    \b
    Example:
      repwatch init mysql://repwatch@10.0.0.1 > repwatch.toml
    """
    endpoint = given_server(url, "URL", "REPWATCH_SOURCE_PASSWORD").endpoint
    clock = SystemClock()
    discovery = discover(endpoint, connect=Session.connect, clock=clock)
    option_file = parse_url(url).defaults_file
    variable = endpoint.password.variable if isinstance(endpoint.password, EnvSecret) else "REPWATCH_PASSWORD"
    click.echo(
        configuration_text(
            discovery,
            start=endpoint,
            variable=variable if endpoint.password is not None and option_file is None else None,
            option_file=str(option_file.absolute()) if option_file else None,
            now=clock.now(),
        ),
        nl=False,
    )
    count = len(discovery.servers)
    click.echo(f"found {count} server{'s' if count != 1 else ''}; the source is {discovery.source}", err=True)
    for note in discovery.notes:
        click.echo(f"not found: {note}", err=True)
    click.echo(f"next: put the password into {variable}, and run `repwatch doctor`", err=True)
    return 0

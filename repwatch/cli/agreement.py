"""A person's word for a plan, where neither its hash nor --yes was given."""

import sys

import click

from repwatch.errors import UsageError
from repwatch.model.plan import Plan
from repwatch.render.plan import plan_text


def ask(plan: Plan, question: str) -> None:
    """Show the plan and ask. Raises UsageError where there is nobody to ask, Abort for a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("--apply needs --plan-hash HASH or --yes where there is no terminal to ask on")
    click.echo(plan_text(plan, None), err=True)
    click.confirm(question, abort=True, err=True)

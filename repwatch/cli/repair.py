"""`repwatch repair`: rewrite the rows of a replica that differ from its source."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.journal import FileJournal
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.app.targets import choose_replica, donor_of, ends_of, load_settings, named_inventory, state_name
from repwatch.cli.agreement import ask
from repwatch.cli.letting_go import let_go_of_killed
from repwatch.cli.options import change_options, format_option, target_options
from repwatch.drift.repair_stages import Phase, unfinished
from repwatch.drift.undo import Undo, parse
from repwatch.errors import Refused, UsageError
from repwatch.flows.discover import settle_source
from repwatch.flows.drift_holds import HOLDS
from repwatch.flows.repair import RepairRequest, Tools, agreed_to, propose
from repwatch.flows.repair_run import carry_out
from repwatch.flows.repair_undo import carry_out_undo, propose_undo
from repwatch.model.plan import Applied, Outcome, Plan
from repwatch.model.settings import Settings
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.render.plan import plan_json, plan_text


@click.command(epilog="Example: repwatch repair shop/db2 --apply")
@click.argument("replica", required=False)
@target_options
@change_options
@click.option("--tables", multiple=True, metavar="DB.PATTERN", help="Only these tables; repeatable, * and ? are wildcards.")
@click.option("--exclude-tables", "exclude", multiple=True, metavar="DB.PATTERN", help="Not these tables; repeatable.")
@click.option("--from", "donor", metavar="SERVER", help="Take the rows from this trusted replica; the source's are not read.")
@click.option("--undo", type=click.Path(path_type=Path, dir_okay=False), help="Take a repair back: the file that it named.")
@format_option("text", "json")
def repair(  # noqa: PLR0913 - click hands each option over as an argument
    *,
    replica: str | None,
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
    channel: str | None,
    tables: tuple[str, ...],
    exclude: tuple[str, ...],
    donor: str | None,
    undo: Path | None,
    apply_it: bool,
    plan_hash: str | None,
    yes: bool,
    output_format: str,
) -> int:
    """Rewrite the rows of REPLICA that differ from its source, and prove it.

    Checks for drift and shows the plan: each row, and every reason why it would be refused. With --apply the replica is held
    at the position of a snapshot of the source while its rows are changed, in one transaction that is not written to its
    binary log, after an undo file has been written. A repair that was interrupted is finished by the next one.
    Without --apply nothing is changed, except that a replica which a killed command has left held replicates again.
    Exit status: 0 done or nothing to do, 1 plan shown, 2 refused or failed.
    """
    if (plan_hash or yes) and not apply_it:
        raise UsageError("--plan-hash and --yes go with --apply")
    if plan_hash and yes:
        raise UsageError("--plan-hash and --yes exclude one another")
    if undo and (tables or exclude or donor):
        raise UsageError("--undo takes the rows of its file: leave out --tables, --exclude-tables and --from")
    clock = SystemClock()
    settings = load_settings(config, source, replicas, state)
    cluster, server = choose_replica(settings, replica)
    inventory = named_inventory(settings, cluster)
    cluster = settle_source(cluster, connect=Session.connect, clock=clock)
    folder = _folder(settings, server)
    tools = Tools(
        connect=Session.connect,
        clock=clock,
        journal=FileJournal(folder / "journal.jsonl"),
        records=FileRecords(folder),
        holds=FileRecords(settings.state_dir / HOLDS),
        progress=_say,
    )
    begun_with = _begun_with(tools) if donor is None and not undo else None
    try:
        request = _request(cluster, server, channel, donor or begun_with)
        request = replace(request, tables=tables, exclude=exclude, inventory=inventory)
    except UsageError as error:
        if begun_with is None:
            raise
        hint = f"name {begun_with} in the configuration again, whether it runs or not, and repeat this: it is ended then"
        raise UsageError(f"an interrupted repair takes its rows from {begun_with}: {error}", hint=hint) from None
    let_go_of_killed(cluster, (request.replica,), tools.holds)  # a donor may be lost while the replica must be let go
    agreement = _Agreement(plan_hash, yes, server)
    run = _undo(request, tools, _read_undo(undo)) if undo else _repair(request, tools)
    return run(agreement if apply_it else None, plan_json if output_format == "json" else plan_text)


Show = Callable[[Plan, Applied | None], str]


class _Agreement:
    """What `--apply` came with: a hash, a yes, or a person at a terminal."""

    def __init__(self, plan_hash: str | None, yes: bool, server: ServerSpec) -> None:
        self.plan_hash = plan_hash
        self._yes = yes
        self._server = server

    def ask(self, plan: Plan) -> None:
        """Return if the plan is agreed to. Raises UsageError where nobody can be asked, Abort for a no."""
        if self._yes or self.plan_hash:
            return
        ask(plan, f"Change these rows of {self._server.label} ({self._server.endpoint.address})?")


Run = Callable[["_Agreement | None", Show], int]


def _repair(request: RepairRequest, tools: Tools) -> Run:
    def run(agreement: _Agreement | None, show: Show) -> int:
        proposal = propose(request, tools)
        if agreement is None or proposal.plan.refusals or proposal.nothing_to_do:
            click.echo(show(proposal.plan, None))
            return 2 if proposal.plan.refusals else 0 if proposal.nothing_to_do else 1
        if agreement.plan_hash:
            proposal = agreed_to(proposal, agreement.plan_hash, tools)
        agreement.ask(proposal.plan)
        applied = carry_out(request, tools, proposal)
        click.echo(show(proposal.plan, applied))
        return 0 if applied.outcome is Outcome.DONE else 2

    return run


def _undo(request: RepairRequest, tools: Tools, undo: Undo) -> Run:
    def run(agreement: _Agreement | None, show: Show) -> int:
        proposal = propose_undo(request, tools, undo)
        if agreement is None or proposal.plan.refusals or proposal.done:
            click.echo(show(proposal.plan, None))
            return 2 if proposal.plan.refusals else 0 if proposal.done else 1
        if agreement.plan_hash and agreement.plan_hash != proposal.plan.plan_hash:
            raise Refused(f"the plan of the moment is {proposal.plan.plan_hash}, not {agreement.plan_hash}")
        agreement.ask(proposal.plan)
        applied = carry_out_undo(request, tools, proposal)
        click.echo(show(proposal.plan, applied))
        return 0 if applied.outcome is Outcome.DONE else 2

    return run


def _begun_with(tools: Tools) -> str | None:
    """The donor of an interrupted repair: whoever finishes it need not name it again."""
    pending = unfinished(tools.journal.entries())
    return pending.scope.donor or None if pending else None


def _request(cluster: ClusterSpec, server: ServerSpec, channel: str | None, donor: str | None) -> RepairRequest:
    source, target, others = ends_of(cluster, server, channel)
    trusted = donor_of(cluster, target, donor) if donor else None
    return RepairRequest(source=source, replica=target, others=others, donor=trusted)


def _folder(settings: Settings, server: ServerSpec) -> Path:
    return settings.state_dir / "repair" / state_name(server)


def _read_undo(path: Path) -> Undo:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the undo file {path} cannot be read: {reason}", hint="give the file that `repair` named") from None


def _say(phase: Phase) -> None:
    click.echo(f"… {phase.value}", err=True)

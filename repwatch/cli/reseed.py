"""`repwatch reseed`: make a replica anew from a snapshot of its source."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from repwatch.adapters.binlog_tool import read_binlog
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.journal import FileJournal
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.adapters.secrets import reveal
from repwatch.adapters.shell import HostShell
from repwatch.adapters.turn_lock import alone
from repwatch.app.targets import choose_replica, donor_of, ends_of, load_settings, named_inventory, state_name
from repwatch.cli.agreement import ask
from repwatch.cli.letting_go import let_go_of_killed
from repwatch.cli.options import change_options, format_option, target_options
from repwatch.errors import UsageError
from repwatch.flows.discover import settle_source
from repwatch.flows.drift_holds import HOLDS
from repwatch.flows.reseed import PlanRefused, Proposal, apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_left import left_marker, wait_for_left_clone
from repwatch.flows.reseed_physical import left_machine, wake_target
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.model.plan import Applied, Outcome, Plan
from repwatch.model.schema import TableName
from repwatch.model.settings import Settings
from repwatch.model.topology import ClusterSpec, ReplicaTarget, ServerSpec
from repwatch.render.plan import plan_json, plan_text
from repwatch.render.reseed_progress import progress_line
from repwatch.reseed.clone import left_behind
from repwatch.reseed.method import Method, of_text
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import Marker
from repwatch.sql.replication import SourceLogin

_QUIET_SECONDS = 10.0  # between two lines of progress where there is no terminal


@click.command(epilog="Example: repwatch reseed shop/db2 --apply")
@click.argument("replica", required=False)
@target_options
@change_options
@click.option(
    "--method",
    type=click.Choice(("auto", *(method.value for method in Method if method is not Method.TABLE))),
    default="auto",
    show_default=True,
    help="Compare everything and write what differs, copy all rows, or copy all files (clone: MySQL, physical: MariaDB); "
    "auto: what should take less.",
)
@click.option(
    "--table",
    "tables",
    metavar="DB.TABLE",
    multiple=True,
    help="Put right this table alone, while the replica goes on serving; repeatable.",
)
@click.option("--from", "donor", metavar="SERVER", help="Take the data from this other replica, which spares the source.")
@click.option("--resume", is_flag=True, help="Go on with a reseed that was interrupted.")
@click.option("--cancel", is_flag=True, help="Give up a reseed whose replica can still go on as before.")
@click.option(
    "--overwrite-standalone", metavar="HOST:PORT", default="", help="This server's data may go, though it is no replica."
)
@click.option(
    "--export-errant",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the transactions that only the replica has to this new file, before anything is changed.",
)
@format_option("text", "json")
def reseed(  # noqa: PLR0913 - click hands each option over as an argument
    *,
    replica: str | None,
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
    channel: str | None,
    apply_it: bool,
    plan_hash: str | None,
    yes: bool,
    method: str,
    tables: tuple[str, ...],
    donor: str | None,
    resume: bool,
    cancel: bool,
    overwrite_standalone: str,
    export_errant: Path | None,
    output_format: str,
) -> int:
    """Make REPLICA anew from one consistent snapshot of its source, start it, and prove it.

    Without --apply only the plan is shown: every step, and every reason why it would be refused. All user data of the replica
    becomes the source's; accounts are left as they are. A replica which a killed command has left held (--from, drift --proof
    exact) replicates again, also where only the plan is asked for. Exit status: 0 done, 1 plan shown, 2 refused or failed.
    """
    if sum((apply_it, resume, cancel)) > 1 or ((plan_hash or yes) and not apply_it):
        raise UsageError("--apply, --resume and --cancel exclude one another; --plan-hash and --yes go with --apply")
    _check_method(method, tables)
    _check_export(export_errant, whole=not (tables or resume or cancel))
    clock = SystemClock()
    settings = load_settings(config, source, replicas, state)
    cluster, server = choose_replica(settings, replica)
    inventory = named_inventory(settings, cluster)
    cluster = settle_source(cluster, connect=Session.connect, clock=clock)
    request = replace(
        _request(cluster, server, channel, overwrite_standalone, donor),
        method=of_text(method),
        tables=tuple(dict.fromkeys(map(_table_name, tables))),
        export=export_errant,
        inventory=inventory,
    )
    show = plan_json if output_format == "json" else plan_text
    if apply_it or resume or cancel:
        click.get_current_context().with_resource(alone(_journal_of(settings, server)))
    with _way_on(server), _progress() as progress:
        tools = _tools(settings, server, progress)
        let_go_of_killed(cluster, (request.replica, request.donor), tools.holds)
        if apply_it or resume or cancel:
            wake_target(server, tools, back=cancel)
        begun = left_machine(server, tools) is not None
        request = replace(request, left=left_behind(tools.journal.entries()), files_begun=begun)
        if cancel:
            click.echo(cancel_reseed(request, tools), err=True)
            return 0
        if resume:
            wait_for_left_clone(request, tools)
            request = _as_begun(cluster, request, left_marker(request, tools.connect))
        # Where nobody is to see the plan first, it is made when it is run.
        proposal = None if yes or plan_hash else plan_reseed(request, Session.connect, clock, tools.shell)
    if proposal is not None:
        if proposal.plan.refusals or not (apply_it or resume):
            click.echo(show(proposal.plan, None))
            return 2 if proposal.plan.refusals else 1
        _agree(proposal, server, resume=resume)
        plan_hash = proposal.plan.plan_hash
    with _way_on(server), _progress() as progress:
        plan, applied = _applied(request, replace(tools, progress=progress), plan_hash)
    click.echo(show(plan, applied))
    return 0 if applied is not None and applied.outcome is Outcome.DONE else 2


def _agree(proposal: Proposal, server: ServerSpec, *, resume: bool) -> None:
    """Raises UsageError where there is nothing to resume or nobody to ask, Abort for a no."""
    if resume and proposal.taken_up is None:
        raise UsageError(f"there is no interrupted reseed of {server.label}", hint="start one with --apply")
    if not resume:
        what = "what differs" if proposal.plan.method in (Method.DIFFERENTIAL.value, Method.TABLE.value) else "all data"
        ask(proposal.plan, f"Replace {what} of {server.label} ({server.endpoint.address})?")


def _applied(request: ReseedRequest, tools: Tools, plan_hash: str | None) -> tuple[Plan, Applied | None]:
    """The plan that was run, and what became of it: None where it has refusals."""
    try:
        applied = apply_reseed(request, tools, plan_hash)
    except PlanRefused as refused:
        return refused.plan, None
    return applied.plan, applied


def _check_method(method: str, tables: tuple[str, ...]) -> None:
    if tables and method != "auto":
        raise UsageError("--table has a method of its own", hint="leave --method out")


def _check_export(path: Path | None, *, whole: bool) -> None:
    if path and not whole:
        raise UsageError("--export-errant goes with a new reseed of a whole replica; nothing is lost with --table")
    if path and path.exists():
        raise UsageError(f"there is a file {path} already", hint="name a new one")


def _as_begun(cluster: ClusterSpec, request: ReseedRequest, marker: Marker | None) -> ReseedRequest:
    """With the donor that was copied from. Raises UsageError where something else is asked for: nobody has seen a plan of it."""
    if marker is None:
        return request
    donor = str(request.donor.server.endpoint.address) if request.donor else marker.donor
    method, tables = request.method or marker.method, request.tables or marker.tables
    if (donor, method, tables) != (marker.donor, marker.method, marker.tables):
        hint = "leave --method, --table and --from out, or look at a new plan and start that with --apply"
        raise UsageError(
            f"--resume goes on with what was begun, which is {marker.method.value} from {marker.donor or marker.source}",
            hint=hint,
        )
    return _copied_from(request, donor_of(cluster, request.replica, donor)) if donor else request


def _table_name(text: str) -> TableName:
    schema, dot, table = text.partition(".")
    if not (schema and dot and table):
        raise UsageError(f"--table {text!r} is not of the form DB.TABLE")
    return TableName(schema, table)


def _request(
    cluster: ClusterSpec, server: ServerSpec, channel: str | None, overwrite_standalone: str, donor: str | None
) -> ReseedRequest:
    source, target, others = ends_of(cluster, server, channel)
    request = ReseedRequest(
        source=source,
        replica=target,
        others=others,
        login=_login(cluster, source),
        overwrite_standalone=overwrite_standalone,
        clone_login=_clone_login(source),
    )
    return request if donor is None else _copied_from(request, donor_of(cluster, target, donor))


def _copied_from(request: ReseedRequest, donor: ReplicaTarget) -> ReseedRequest:
    return replace(request, donor=donor, clone_login=_clone_login(donor.server))


def _clone_login(donor: ServerSpec) -> SourceLogin:
    """The target logs in to the donor as repwatch does to read it."""
    endpoint = donor.writer
    password = reveal(endpoint.password) if endpoint.password else ""
    return SourceLogin(address=endpoint.address, user=endpoint.user, password=password, tls=endpoint.tls)


def _login(cluster: ClusterSpec, source: ServerSpec) -> SourceLogin | None:
    account = cluster.replication
    if account is None:
        return None
    password = reveal(account.password) if account.password else ""
    return SourceLogin(address=source.endpoint.address, user=account.user, password=password, tls=account.tls)


def _tools(settings: Settings, server: ServerSpec, progress: Callable[[Progress], None]) -> Tools:
    return Tools(
        connect=Session.connect,
        clock=SystemClock(),
        journal=FileJournal(_journal_of(settings, server)),
        holds=FileRecords(settings.state_dir / HOLDS),
        progress=progress,
        shell=HostShell(),
        read_binlog=read_binlog,
    )


def _journal_of(settings: Settings, server: ServerSpec) -> Path:
    return settings.state_dir / "reseed" / f"{state_name(server)}.jsonl"


@contextmanager
def _way_on(server: ServerSpec) -> Iterator[None]:
    """Who ends a reseed in the middle leaves a replica that is not whole, and is told so."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            f"{server.label} may be half loaded: `repwatch reseed --resume` goes on, --cancel gives up while no data is lost",
            err=True,
        )
        raise


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed on a terminal

    with Console(stderr=True).status("") as line:
        yield lambda progress: line.update(progress_line(progress))


class _Lines:
    """A line of text for each phase, and now and then within one."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.phase is not self._phase or progress.seconds >= self._next:
            self._phase, self._next = progress.phase, progress.seconds + _QUIET_SECONDS
            click.echo(progress_line(progress), err=True)

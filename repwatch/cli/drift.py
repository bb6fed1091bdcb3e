"""`repwatch drift`: are the replicas identical to their source?"""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from types import FrameType

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.app.checking import CheckParts, journal_path, limits_of
from repwatch.app.targets import by_source, choose_cluster, compared_with, load_settings, replica_targets
from repwatch.cli.drift_control import parse_words, tell_checks
from repwatch.cli.drift_progress import progress_on_stderr
from repwatch.cli.letting_go import let_go_of_killed
from repwatch.cli.options import DURATION, format_option, target_options
from repwatch.drift.proving import kept_for, with_last_proved
from repwatch.drift.report import DriftReport, Verdict
from repwatch.drift.summary import exit_status, pt_exit_status
from repwatch.drift.throttle import WRITTEN_LOAD
from repwatch.errors import Interrupted, StoreError, UsageError
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import DEFAULT_MOST, CheckRequest
from repwatch.flows.drift_holds import HOLDS
from repwatch.flows.drift_stand import ExactMeans
from repwatch.model.settings import Settings
from repwatch.model.topology import ClusterSpec, ReplicaTarget
from repwatch.render.drift_html import drift_html_pieces
from repwatch.render.drift_json import drift_json_pieces
from repwatch.render.drift_markdown import drift_markdown_pieces
from repwatch.render.drift_text import drift_text_pieces

RENDERINGS: dict[str, Callable[[DriftReport], Iterator[str]]] = {
    "text": drift_text_pieces,
    "json": drift_json_pieces,
    "html": drift_html_pieces,
    "markdown": drift_markdown_pieces,
}
STATUSES: dict[str, Callable[[DriftReport], int]] = {"repwatch": exit_status, "pt": pt_exit_status}


@click.command()
@click.argument("words", nargs=-1, metavar="[pause|resume|stop] [CLUSTER]")
@target_options
@click.option("--tables", multiple=True, metavar="PATTERN", help="Check these alone: 'db.table', shell wildcards; repeatable.")
@click.option("--exclude-tables", multiple=True, metavar="PATTERN", help="Leave these out; repeatable.")
@click.option("--where", metavar="CONDITION", help="Compare only rows that meet it, on each table; times are UTC.")
@click.option("--strict", is_flag=True, help="Let every difference of definitions count, also what touches no data.")
@click.option("--users", is_flag=True, help="Compare accounts and grants too.")
@click.option("--channel", metavar="NAME", help="Check this replication channel alone.")
@click.option(
    "--from", "reference", metavar="SERVER", help="Compare with this trusted replica; the source's tables are not read."
)
@click.option("--static", is_flag=True, help="Compare two servers without replication between them, as they stand.")
@click.option(
    "--proof",
    type=click.Choice(["reread", "exact"]),
    default="reread",
    show_default=True,
    help="exact: hold each replica for moments, and compare at one position.",
)
@click.option("--lock-hot", is_flag=True, help="Lock rows on the source that change all the time, each for a second at most.")
@click.option(
    "--max-differences",
    type=click.IntRange(min=0),
    default=DEFAULT_MOST,
    show_default=True,
    help="List so many differences of a table; all are counted.",
)
@click.option(
    "--max-threads-running",
    type=click.IntRange(min=1),
    help="Wait while more threads than this run on one of the servers; default: the configuration's, else 25.",
)
@click.option(
    "--max-lag",
    type=DURATION,
    help="Wait while a replica is behind by more than this, beside its intended delay; default: its `max_lag`, or 30s.",
)
@click.option(
    "--load",
    type=click.IntRange(1, 100),
    help="Read the source for at most this share of the time, in percent; default: the configuration's, "
    f"else {WRITTEN_LOAD} while others write, and 100.",
)
@click.option("--resume", is_flag=True, help="Go on where the same check was interrupted, by a signal or a crash.")
@click.option(
    "--exit-status",
    "statuses",
    type=click.Choice(list(STATUSES)),
    default="repwatch",
    show_default=True,
    help="pt: the bits of pt-table-checksum.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
@format_option(*RENDERINGS)
def drift(  # noqa: PLR0913 - an argument for each option
    *,
    words: tuple[str, ...],
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
    tables: tuple[str, ...],
    exclude_tables: tuple[str, ...],
    where: str | None,
    strict: bool,
    users: bool,
    channel: str | None,
    reference: str | None,
    static: bool,
    proof: str,
    lock_hot: bool,
    max_differences: int,
    max_threads_running: int | None,
    max_lag: timedelta | None,
    load: int | None,
    resume: bool,
    statuses: str,
    output: Path | None,
    output_format: str,
) -> int:
    """Compare the replicas of CLUSTER with their source, row by row where it must be, while both are in use.

    Reads only: no lock, no stopped thread, nothing written to any server. A difference counts once it is confirmed, so that
    a write in flight or a replica that lags is none. CLUSTER may be left out where there is only one.

    With --lock-hot rows that change faster than they can be compared are read under a shared lock, a few at a time: who
    writes to them waits for a second at most.

    With --proof exact each replica is brought to the position of a snapshot of the source, and read as it was there: its
    applier is held for moments, which wants the operator account. A check that was killed just then is put right by the next
    one, or by the service.

    What was judged is kept in the state folder: after an interruption the same command with --resume reads only the rest.
    In another terminal `pause`, `resume` and `stop` tell it to a check that runs.

    --from names one of the replicas by name or host:port: the others of its source are compared with it. --static takes --source
    and --replica as any two servers, also MySQL beside MariaDB.

    Definitions are compared as well: tables, views, triggers, routines, events, sequences. What differs there is listed; it
    makes the verdict only where it touches data, or with --strict.

    --where takes comparisons of columns with values, as in id > 1000 AND status = 'N', and no functions of the moment.

    \b
    Exit status: 0 identical, 1 drift, 2 a replica could not be checked at all (or wrong usage), 3 undecided.
    With --exit-status pt the sum of: 16 a difference, 64 a table not checked to its end, 8 no replica checked; 0 is clean.

    \b
    Examples:
      repwatch drift shop
      repwatch drift shop --tables 'shop.*' --exclude-tables 'shop.log_*' --format html --output drift.html
      repwatch drift pause shop
      repwatch drift --source mysql://repwatch@10.0.0.1 --replica mysql://repwatch@10.0.0.2 --format json
      repwatch drift shop --from db2
      repwatch drift --static --source mysql://repwatch@old --replica mysql://repwatch@new
    """
    clock = SystemClock()
    word, cluster = parse_words(words)
    _only_sources({"--lock-hot": lock_hot, "--proof exact": proof == "exact"}, elsewhere=static or reference is not None)
    if static:
        _only_urls(cluster, source, replicas, channel=channel, reference=reference)
    settings = load_settings(config, source, replicas, state)
    if word is not None:
        return tell_checks(settings, cluster, word)
    spec = choose_cluster(settings, cluster)
    if not static:
        spec = settle_source(spec, connect=Session.connect, clock=clock)
    holds = FileRecords(settings.state_dir / HOLDS)
    exact = ExactMeans(records=holds, others=spec.servers) if proof == "exact" else None
    let_go_of_killed(spec, (), holds)  # where that fails, the check finds the replica behind
    parts: list[tuple[CheckRequest, Path]] = []
    with _ended_by_signal() as ended, progress_on_stderr() as progress, ExitStack() as stack:
        for group in compared_with(spec, by_source(spec, replica_targets(spec, channel)), reference):
            head, targets = group.source, group.replicas if max_lag is None else _without_own_limits(group.replicas)
            request = CheckRequest(
                source=head,
                reference=group.reference,
                replicas=targets,
                static=static,
                tables=tables,
                exclude=exclude_tables,
                where=where,
                max_differences=max_differences,
                limits=limits_of(spec, threads_running=max_threads_running, lag=max_lag, load=load),
                strict=strict,
                users=users,
                kept_for=kept_for(spec.drift.prove_within),
                lock_hot=lock_hot,
            )
            parts.append((request, journal_path(settings.state_dir / "drift", spec.name, request, proof)))
        check = CheckParts(stack, parts, spec.servers, resume=resume)
        if resume and not check.resumes:
            click.echo("Nothing was left to go on from: this check begins at the beginning.", err=True)
        report, _, failure = check.run(clock, ended.is_set, progress, exact)
    if not any(replica.tables or replica.not_replicated or replica.reason for replica in report.replicas):
        raise UsageError(
            "there is no table to check", hint="does the account see the tables? `repwatch doctor` says what it lacks"
        )
    _write(RENDERINGS[output_format](_with_last_proved(report, settings, spec)), output)
    if ended.is_set():
        raise Interrupted(ended.number)
    status = STATUSES[statuses](report)
    if failure is not None and report.verdict is not Verdict.DRIFTED:
        failure.exit_status = status
        raise failure
    return status


def _with_last_proved(report: DriftReport, settings: Settings, cluster: ClusterSpec) -> DriftReport:
    """The report with what the service knows of earlier proofs; a store that cannot be read takes nothing from a report."""
    if settings.path is None:
        return report
    from repwatch.adapters.store.reader import read_known_proofs  # noqa: PLC0415 - slow to import, and not needed without one

    try:
        return with_last_proved(report, read_known_proofs(settings.store_url, cluster.name))
    except StoreError as error:
        click.echo(f"When tables were last proved is not known: {error}", err=True)
        return report


def _without_own_limits(targets: tuple[ReplicaTarget, ...]) -> tuple[ReplicaTarget, ...]:
    """The command line goes before the configuration."""
    return tuple(replace(target, server=replace(target.server, max_lag=None)) for target in targets)


def _only_urls(
    cluster: str | None, source: str | None, replicas: tuple[str, ...], *, channel: str | None, reference: str | None
) -> None:
    """Raises UsageError unless the servers of a static check are given by URL, and nothing that needs replication."""
    if source is None or not replicas or cluster is not None:
        raise UsageError(
            "--static compares servers that are given by URL", hint="--static --source URL --replica URL, and no CLUSTER"
        )
    if channel is not None or reference is not None:
        raise UsageError(
            "--static knows no replication, so --channel and --from mean nothing with it", hint="leave out one or the other"
        )


def _only_sources(asked: Mapping[str, bool], *, elsewhere: bool) -> None:
    """Raises UsageError where what goes with a source alone is asked of two other servers."""
    for option in (option for option, is_asked in asked.items() if is_asked and elsewhere):
        raise UsageError(f"{option} needs a source and its position", hint="leave out --static and --from")


class _Ended(Event):
    number = 0


@contextmanager
def _ended_by_signal() -> Iterator[_Ended]:
    """The first signal ends the check, whose report is still printed; the second ends the process."""
    ended = _Ended()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _: FrameType | None) -> None:
        ended.number = number
        ended.set()
        signal.signal(number, signal.SIG_DFL)

    for number in before:
        signal.signal(number, end)
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(pieces: Iterable[str], output: Path | None) -> None:
    if output is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        with output.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}", hint="choose another --output") from None
    click.echo(f"The report lies in {output}.", err=True)

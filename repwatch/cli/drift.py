"""`repwatch drift`: are the replicas identical to their source?"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import by_source, choose_cluster, load_settings, replica_targets
from repwatch.cli.drift_progress import progress_on_stderr
from repwatch.cli.options import format_option, target_options
from repwatch.drift.report import DriftReport, Verdict
from repwatch.drift.summary import exit_status, merged, pt_exit_status, unchecked
from repwatch.errors import Interrupted, ServerError, UsageError
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import DEFAULT_MOST, CheckRequest, check
from repwatch.flows.drift_reach import fall_reason
from repwatch.render.drift_html import drift_html
from repwatch.render.drift_json import drift_json
from repwatch.render.drift_markdown import drift_markdown
from repwatch.render.drift_text import drift_text

RENDERINGS: dict[str, Callable[[DriftReport], str]] = {
    "text": drift_text,
    "json": drift_json,
    "html": drift_html,
    "markdown": drift_markdown,
}
STATUSES: dict[str, Callable[[DriftReport], int]] = {"repwatch": exit_status, "pt": pt_exit_status}


@click.command()
@click.argument("cluster", required=False)
@target_options
@click.option("--tables", multiple=True, metavar="PATTERN", help="Check these alone: 'db.table', shell wildcards; repeatable.")
@click.option("--exclude-tables", multiple=True, metavar="PATTERN", help="Leave these out; repeatable.")
@click.option("--where", metavar="CONDITION", help="Compare only rows that meet it, on each table; times are UTC.")
@click.option("--channel", metavar="NAME", help="Check this replication channel alone.")
@click.option(
    "--max-differences",
    type=click.IntRange(min=0),
    default=DEFAULT_MOST,
    show_default=True,
    help="List so many differences of a table; all are counted.",
)
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
    cluster: str | None,
    config: Path | None,
    source: str | None,
    replicas: tuple[str, ...],
    state: Path | None,
    tables: tuple[str, ...],
    exclude_tables: tuple[str, ...],
    where: str | None,
    channel: str | None,
    max_differences: int,
    statuses: str,
    output: Path | None,
    output_format: str,
) -> int:
    """Compare the replicas of CLUSTER with their source, row by row where it must be, while both are in use.

    Reads only: no lock, no stopped thread, nothing written to any server. A difference counts once it is confirmed, so that
    a write in flight or a replica that lags is none. CLUSTER may be left out where there is only one.

    --where takes comparisons of columns with values, as in id > 1000 AND status = 'N', and no functions of the moment.

    \b
    Exit status: 0 identical, 1 drift, 2 a replica could not be checked at all (or wrong usage), 3 undecided.
    With --exit-status pt the sum of: 16 a difference, 64 a table not checked to its end, 8 no replica checked; 0 is clean.

    \b
    Examples:
      repwatch drift shop
      repwatch drift shop --tables 'shop.*' --exclude-tables 'shop.log_*' --format html --output drift.html
      repwatch drift --source mysql://repwatch@10.0.0.1 --replica mysql://repwatch@10.0.0.2 --format json
    """
    clock = SystemClock()
    settings = load_settings(config, source, replicas, state)
    spec = settle_source(choose_cluster(settings, cluster), connect=Session.connect, clock=clock)
    reports: list[DriftReport] = []
    failure: ServerError | None = None
    with _ended_by_signal() as ended, progress_on_stderr() as progress:
        for head, targets in by_source(spec, replica_targets(spec, channel)):
            request = CheckRequest(
                source=head, replicas=targets, tables=tables, exclude=exclude_tables, where=where, max_differences=max_differences
            )
            start, stop = clock.now(), ended.is_set
            try:
                reports.append(check(request, connect=Session.connect, clock=clock, progress=progress, cancelled=stop))
            except ServerError as error:  # of the source; the report says so, as it says everything else
                failure = error
                reports.append(unchecked(head, targets, fall_reason(error), start, clock.now()))
    report = merged(reports)
    if not any(replica.tables or replica.not_replicated or replica.reason for replica in report.replicas):
        raise UsageError(
            "there is no table to check", hint="does the account see the tables? `repwatch doctor` says what it lacks"
        )
    _write(RENDERINGS[output_format](report), output)
    if ended.is_set():
        raise Interrupted(ended.number)
    status = STATUSES[statuses](report)
    if failure is not None and report.verdict is not Verdict.DRIFTED:
        failure.exit_status = status
        raise failure
    return status


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


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    try:
        output.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}", hint="choose another --output") from None
    click.echo(f"The report lies in {output}.", err=True)

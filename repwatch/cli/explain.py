"""`repwatch explain`: what a pasted status, error or log says, without any server."""

import re
import sys
from pathlib import Path

import click

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.finding_pages import finding_page
from repwatch.cli.options import format_option
from repwatch.errors import UsageError
from repwatch.health.explain import explain as explain_pasted
from repwatch.model.finding import FindingCode
from repwatch.render.explain import explain_json, explain_text, finding_json
from repwatch.sql.paste import parse

_PATH = re.compile(r"\S*(?:/\S*|\.[A-Za-z]\w{0,9})")  # with a folder or an ending, and no text of any other kind
MOST_BYTES = 4 << 20
_HINT = (
    "it takes the output of SHOW REPLICA STATUS\\G or SHOW ALL SLAVES STATUS\\G, an error number (and its text), lines of a "
    "server's error log, or the code of a finding"
)


@click.command(
    epilog="Example: mysql -e 'SHOW REPLICA STATUS\\G' | repwatch explain; repwatch explain 1062; repwatch explain lagging"
)
@click.argument("words", nargs=-1, metavar="[FILE | TEXT…]")
@format_option("text", "json")
def explain(*, words: tuple[str, ...], output_format: str) -> int:
    """Say what a pasted status, error or error log means, and what to do; no server is asked.

    Reads FILE, or the text given as arguments, or standard input; of the code of a finding it shows the page.

    Exit status: 0, or 2 if it is not understood.
    """
    if (code := _code(words)) is not None:
        click.echo(finding_json(code, finding_page(code)) if output_format == "json" else finding_page(code).rstrip())
        return 0
    pasted = parse(text := _text(words))
    if not pasted:
        raise _not_understood(text)
    explanations = explain_pasted(pasted, SystemClock().now())
    if not explanations:
        number = ", ".join(str(error.errno) for error in pasted.errors)
        raise UsageError(f"there is no entry for error {number}", hint="paste its text too, best the whole status or log")
    render = explain_json if output_format == "json" else explain_text
    click.echo(render(pasted.kind, explanations))
    return 0


def _code(words: tuple[str, ...]) -> FindingCode | None:
    return FindingCode(words[0]) if len(words) == 1 and words[0] in set(FindingCode) and not Path(words[0]).exists() else None


def _not_understood(text: str) -> UsageError:
    if text.strip():
        return UsageError("nothing about replication was found in this text", hint=_HINT)
    return UsageError("there is no text", hint="a client that reports no error and prints no row: the server has no replication")


def _text(words: tuple[str, ...]) -> str:
    """The file's, the arguments', or what comes in; without what is no Unicode."""
    if not words or words == ("-",):
        if sys.stdin.isatty():
            click.echo("Paste the status, the error or the lines of the log, then Ctrl-D.", err=True)
        return _decoded(sys.stdin.buffer.read(MOST_BYTES + 1))
    try:
        if len(words) == 1 and Path(words[0]).is_file():
            with Path(words[0]).open("rb") as file:
                return _decoded(file.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:  # a text may be no possible name of a file
        if isinstance(error, PermissionError):
            raise UsageError(f"cannot read {words[0]}: {error.strerror}") from None
    if len(words) == 1 and _PATH.fullmatch(words[0]):
        raise UsageError(f"there is no file {words[0]}")
    return " ".join(words).encode("utf-8", "replace").decode()


def _decoded(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise UsageError(f"the text is longer than {MOST_BYTES >> 20} MiB", hint="give the lines around the error")
    return data.decode("utf-8", "replace")

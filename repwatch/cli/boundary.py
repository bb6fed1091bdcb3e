"""Where everything ends: an error becomes one clear message and an exit status, never a traceback and never a secret."""

import errno
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from repwatch import __version__
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.secrets import redact
from repwatch.app.passwords import default_state_dir
from repwatch.errors import Interrupted, RepwatchError

# A Nagios plugin says 3 for "unknown"; our own 2 would read as critical.
FAILED = {"status": 3}
# The service ends well when it is told to end, even before it has begun.
ENDED = {("run", signal.SIGTERM): 0}
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def guard(verb: str, work: Callable[[], object]) -> int:
    """Run a verb and return the exit status that the contract gives it. Whatever happens, at most one message."""
    _end_on_signals(verb)
    threading.excepthook = _in_thread
    failed = FAILED.get(verb, 2)
    output = sys.stdout
    try:
        status = work()
        sys.stdout.flush()
    except SystemExit:
        if sys.stdout is not output:  # so click ends where the reader has gone, with a 1 that means something else to a script
            return _unexpected(BrokenPipeError(), failed)
        raise
    except RepwatchError as error:
        status = error.exit_status if isinstance(error, Interrupted) else FAILED.get(verb, error.exit_status)
        return _said(str(error), status, error.hint)
    except (click.ClickException, click.Abort, click.exceptions.Exit) as error:
        return _from_click(error, failed)
    except KeyboardInterrupt:
        return _from_click(click.Abort(), failed)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _unexpected(error, failed)
    return status if isinstance(status, int) else 0


def _from_click(error: click.ClickException | click.Abort | click.exceptions.Exit, failed: int) -> int:
    match error:
        case click.ClickException():
            shown = io.StringIO()
            error.show(shown)
            click.echo(redact(shown.getvalue()), err=True, nl=False)
            return failed
        case click.Abort():
            return _said("ended by Ctrl-C", 128 + signal.SIGINT)
        case _:
            return error.exit_code


def _end_on_signals(verb: str) -> None:
    def end(number: int, _: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        sys.exit(ENDED.get((verb, signal.Signals(number)), 128 + number))

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, end)


def _said(message: str, status: int, hint: str = "") -> int:
    click.echo(redact(f"repwatch: {message}"), err=True)
    if hint:
        click.echo(redact(f"  hint: {hint}"), err=True)
    return status


def _unexpected(error: Exception, failed: int) -> int:
    if isinstance(error, BrokenPipeError):  # who read our output has gone: `| head`
        _drop_output()
        return 128 + signal.SIGPIPE
    if isinstance(error, OSError) and error.errno in DISK:
        _drop_output()
        where = f" ({error.filename})" if error.filename else ""
        return _said(f"cannot write{where}: {error.strerror}", failed, "make room, and run it again")
    return _said(f"internal error: {type(error).__name__}", failed, f"{_recorded(error)}; please report it")


def _drop_output() -> None:
    """Make what is still to be written go nowhere, so that the interpreter does not fail over it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _recorded(error: BaseException) -> str:
    """Where the details of an internal error lie. Never raises."""
    now = SystemClock().now()
    details = "".join(traceback.format_exception(error))
    words = " ".join(sys.argv[1:])
    text = redact(f"{now.isoformat()} repwatch {__version__}, Python {sys.version.split()[0]}\nrepwatch {words}\n\n{details}")
    for folder in (default_state_dir() / "errors", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file, name = tempfile.mkstemp(dir=folder, prefix=f"repwatch-{now:%Y%m%dT%H%M%S}-", suffix=".log")
            with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as log:
                log.write(text)
        except OSError:
            continue
        return f"the details lie in {name}"
    return "the details could not be written anywhere"


def _in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
        name = failure.thread.name if failure.thread else "?"
        _said(f"internal error in thread {name}: {type(failure.exc_value).__name__}", 0, _recorded(failure.exc_value))

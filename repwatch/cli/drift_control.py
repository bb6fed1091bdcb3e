"""`repwatch drift pause|resume|stop [CLUSTER]`: a word to the checks that run now, on this machine."""

from collections.abc import Sequence

import click

from repwatch.adapters.check_control import tell
from repwatch.app.targets import choose_clusters
from repwatch.drift.control import Word
from repwatch.errors import UsageError
from repwatch.model.settings import Settings

_DONE = {Word.PAUSE: "pauses", Word.RESUME: "goes on", Word.STOP: "ends, and prints what it has found"}


def parse_words(words: Sequence[str]) -> tuple[Word | None, str | None]:
    """What stands before the options: a word to a running check, and a cluster. Raises UsageError."""
    word = Word(words[0]) if words and words[0] in set(Word) else None
    rest = words[1:] if word else words
    if len(rest) > 1:
        raise UsageError(f"too many arguments: {' '.join(rest[1:])}", hint="repwatch drift [pause|resume|stop] [CLUSTER]")
    return word, rest[0] if rest else None


def tell_checks(settings: Settings, cluster: str | None, word: Word) -> int:
    """Tell the running checks; the exit status. Raises UsageError where none runs."""
    clusters = choose_clusters(settings, cluster)
    told = {spec.name: tell(settings.state_dir / "drift", spec.name, word) for spec in clusters}
    if not any(told.values()):
        raise UsageError(
            "no check runs here", hint="run this where the check was started, with the same --config or --state, as the same user"
        )
    for name, count in told.items():
        if count:
            click.echo(f"{name}: {count} {'check' if count == 1 else 'checks'}, each {_DONE[word]} within a second.", err=True)
    return 0

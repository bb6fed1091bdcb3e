"""Reads a secret from where it is kept, each time anew, so that a rotated one is seen at the next connect."""

import os
import re
import subprocess
from typing import assert_never

from repwatch.adapters.processor import on_any_processor
from repwatch.errors import UsageError
from repwatch.model.endpoint import CommandSecret, EnvSecret, FileSecret, LiteralSecret, SecretSource

COMMAND_SECONDS = 10
HIDDEN = "***"
# What `redact` looks for. A shorter word is too likely to be an ordinary one, as is every test's "root".
_SHORTEST = 6
_revealed: set[str] = set()
_IN_URL = re.compile(r"(\b[\w+.-]+://[^\s:/@]*):(?!password@)\S*@")


def reveal(source: SecretSource) -> str:
    """The secret's text. Raises UsageError, which never contains it."""
    text = _read(source)
    if len(text) >= _SHORTEST:
        _revealed.add(text)
    return text


def redact(text: str) -> str:
    """The text without any secret that this process has used, and without passwords in URLs: the last safety net."""
    for secret in sorted(_revealed, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _IN_URL.sub(rf"\1:{HIDDEN}@", text)


def _read(source: SecretSource) -> str:
    match source:
        case LiteralSecret(text):
            return text
        case FileSecret(path):
            try:
                return path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"cannot read the secret file {path}: {type(error).__name__}", hint="check path and mode"
                ) from None
        case EnvSecret(variable):
            if variable not in os.environ:
                raise UsageError(f"the environment variable {variable} is not set", hint=f"export {variable}=…")
            return os.environ[variable]
        case CommandSecret(argv):
            return _from_command(argv)
        case _:
            assert_never(source)


def _from_command(argv: tuple[str, ...]) -> str:
    try:
        with on_any_processor():
            done = subprocess.run(
                argv, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True, stdin=subprocess.DEVNULL
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(
            f"the secret command {argv[0]} failed: {type(error).__name__}", hint="run it by hand; it must print the secret"
        ) from None
    return done.stdout.partition("\n")[0]

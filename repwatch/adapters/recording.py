"""A recording as a file: one line of JSON for the inventory, then one for each tick. Without passwords.

A recorder that is killed leaves whole lines and perhaps the beginning of one, which is left out when it is read.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from repwatch import __version__
from repwatch.adapters.secrets import redact
from repwatch.errors import StoreError, UsageError
from repwatch.flows.recording import Tick
from repwatch.model.endpoint import Endpoint
from repwatch.model.topology import ClusterSpec, ServerSpec

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line."""

    recording: int  # FORMAT
    repwatch: str  # its version
    cluster: ClusterSpec


_HEADER = TypeAdapter(Header)
_TICK = TypeAdapter(Tick)


class Recorder:
    """Writes a new file, which only its owner may read. Raises StoreError."""

    def __init__(self, path: Path, cluster: ClusterSpec) -> None:
        self._path = path
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot make {path}: {error.strerror}", hint="give --output a new name") from None
        self._write(_HEADER.dump_python(Header(recording=FORMAT, repwatch=__version__, cluster=_bare(cluster)), mode="json"))

    def add(self, tick: Tick) -> None:
        """One more."""
        self._write(_TICK.dump_python(tick, mode="json"))

    def _write(self, value: object) -> None:
        try:
            self._file.write(json.dumps(_without_secrets(value), separators=(",", ":")) + "\n")
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"cannot write {self._path}: {error.strerror}", hint="make room; what was written is whole"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_recording(path: Path) -> tuple[ClusterSpec, Iterator[Tick]]:
    """The inventory, and the ticks as they are asked for. Raises UsageError for what is no recording."""
    lines = _lines(path)
    first = next(lines, "")
    try:
        header = _HEADER.validate_json(first)
    except ValidationError:
        raise UsageError(f"{path} is no recording", hint="`repwatch record` makes one") from None
    if header.recording != FORMAT:
        raise UsageError(f"{path} was recorded by a newer repwatch ({header.repwatch})", hint="replay it with that version")
    return header.cluster, _ticks(path, lines)


def _ticks(path: Path, lines: Iterator[str]) -> Iterator[Tick]:
    for number, line in enumerate(lines, 2):
        try:
            yield _TICK.validate_json(line)
        except ValidationError:
            if not line.endswith("\n"):
                return
            raise UsageError(f"{path}: line {number} is no tick of a recording", hint="was it changed by hand?") from None


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _bare(cluster: ClusterSpec) -> ClusterSpec:
    return replace(cluster, replication=None, servers=tuple(_bare_server(server) for server in cluster.servers))


def _bare_server(server: ServerSpec) -> ServerSpec:
    return replace(server, endpoint=Endpoint(server.endpoint.address, server.endpoint.user), operator=None)


def _without_secrets(value: object) -> object:
    """The last safety net: no text holds a secret that this process has used, or a URL's password."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {name: _without_secrets(each) for name, each in value.items()}
        case list():
            return [_without_secrets(each) for each in value]
        case _:
            return value

"""Reads `repwatch.toml`: every problem at once, each with its line and key, and never a secret."""

import os
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from repwatch.app.config_lines import key_lines, line_of
from repwatch.app.config_models import Configuration
from repwatch.app.config_references import Problem, reference_problems
from repwatch.app.config_settings import make_settings
from repwatch.errors import ConfigError, UsageError
from repwatch.model.settings import Settings

FILE_NAME = "repwatch.toml"
SYSTEM_FILE = Path("/etc/repwatch") / FILE_NAME
MAX_BYTES = 4 * 1024 * 1024
HINT_MISSING = "`repwatch init mysql://user@host > repwatch.toml` makes one; or give --source URL and --replica URL"

_PLAIN = {
    "missing": "is missing",
    "string_type": "must be a text in quotes",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "a name consists of letters, digits, _ . and -, and begins with a letter or digit",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
}


def find_config(config: Path | None) -> Path:
    """The file that counts: `config`, else $REPWATCH_CONFIG, ./repwatch.toml, /etc/repwatch/repwatch.toml. Raises UsageError."""
    named = config or (Path(os.environ["REPWATCH_CONFIG"]) if os.environ.get("REPWATCH_CONFIG") else None)
    if named is not None:
        return named
    for path in (Path(FILE_NAME), SYSTEM_FILE):
        if path.exists():
            return path
    raise UsageError(f"there is no configuration: neither ./{FILE_NAME} nor {SYSTEM_FILE}", hint=HINT_MISSING)


def load_config(path: Path, state: Path | None = None) -> Settings:
    """Read and check a configuration. Raises UsageError if it cannot be read, ConfigError with all that is wrong in it."""
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {_syntax(error)}"], hint="the file is TOML, https://toml.io") from None
    configuration, problems = _validated(document)
    problems.extend(reference_problems(document))
    settings = None
    if configuration is not None and not problems:
        settings, problems = make_settings(configuration, path, state)
    if settings is None or problems:
        raise ConfigError(_told(path, problems, text), hint="docs/configuration.md lists every key")
    return settings


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} is too big to be a configuration")
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no configuration {path}", hint=HINT_MISSING) from None
    except OSError as error:
        hint = (
            "its mode, or that of a folder above it, keeps this user out" if isinstance(error, PermissionError) else HINT_MISSING
        )
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}, line {line}: the file is not UTF-8"]) from None


def _syntax(error: tomllib.TOMLDecodeError) -> str:
    # The message may quote a key or a character, never a value: tomllib words it so in all its versions.
    text = str(error)
    return text.replace("(at ", "(").replace("Cannot", "cannot", 1)


def _validated(document: Mapping[str, Any]) -> tuple[Configuration | None, list[Problem]]:
    try:
        return Configuration.model_validate(document), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, [Problem(_path(detail["loc"]), _words(detail)) for detail in details]


def _path(location: Sequence[str | int]) -> tuple[str | int, ...]:
    # pydantic marks a table's own key with "[key]".
    return tuple(part for part in location if part != "[key]")


def _words(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"])
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "enum":
        return f"must be one of {detail['ctx']['expected']}"
    return _PLAIN.get(kind, detail["msg"][:1].lower() + detail["msg"][1:])


def _unknown_key(location: Sequence[str | int]) -> str:
    keys = list(known_keys(Configuration, location[:-1]))
    near = get_close_matches(str(location[-1]), keys, n=1, cutoff=0.6)
    return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; here belong {', '.join(keys)}"


def known_keys(model: type[BaseModel], location: Sequence[str | int]) -> Iterator[str]:
    """The keys that the table at `location` may have."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = next((field for name, field in current.model_fields.items() if part in (name, field.alias)), None)
            current = _table_type(field.annotation) if field else None
        elif get_origin(current) is dict:
            current = _table_type(get_args(current)[1])
    if isinstance(current, type) and issubclass(current, BaseModel):
        yield from (field.alias or name for name, field in current.model_fields.items())


def _table_type(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next((part for part in get_args(annotation) if part is not type(None)), None)
    return annotation


def _told(path: Path, problems: Sequence[Problem], text: str) -> list[str]:
    lines = key_lines(text)
    placed = sorted((line_of(lines, problem.path), dotted(problem.path), problem.text) for problem in problems)
    return [f"{path}, line {line}: {key}: {words}" for line, key, words in dict.fromkeys(placed)]


def dotted(path: Sequence[str | int]) -> str:
    """A key as it is written in TOML: `clusters.shop.servers.db1.match[0]`."""
    text = ""
    for part in path:
        bare = str(part) if isinstance(part, int) or part.replace("-", "").replace("_", "").isalnum() else f'"{part}"'
        text += f"[{part}]" if isinstance(part, int) else f".{bare}" if text else bare
    return text or "the file"

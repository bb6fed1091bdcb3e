"""Makes `docs/configuration.md` from the models: `python -m repwatch.app.configuration_docs > docs/configuration.md`."""

import sys
import types
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from repwatch.app.config_models import Configuration, marks
from repwatch.app.config_values import HostPort

_INTRODUCTION = """\
# Configuration

repwatch reads one TOML file, `repwatch.toml`. The first of these counts: `--config FILE`, `$REPWATCH_CONFIG`,
`./repwatch.toml`, `/etc/repwatch/repwatch.toml`. Relative paths count from the folder of the file. `repwatch init URL` makes
one from a running server; `repwatch doctor` checks it against the servers.

Every problem is told at once, with its line and key. Unknown keys are refused.

* **Durations** are texts with a unit: `"500ms"`, `"5s"`, `"5m"`, `"1h30m"`, `"7d"`, `"2w"`.
* **Secrets** do not stand in the file. They are `{ file = "/run/secrets/db1" }` (the first line of a file),
  `{ env = "DB1_PASSWORD" }` or `{ command = ["pass", "show", "db1"] }` (the first line it prints, within 10 seconds), and
  are read anew at each connect. A password inside a server's `url` is taken too; keep the file from others then (mode 0600).
* **Server URLs** are `mysql://user:password@host:port` with special characters percent-encoded; the port is 3306 by default,
  IPv6 stands in brackets. Parameters after `?`: `socket`, `tls`, `ca`, `defaults_file`. An option file named by
  `defaults_file` is read as the clients of MySQL and MariaDB read it (groups `[client]` and `[client_repwatch]`); no other
  option file is ever read, not even `~/.my.cnf`.
* Names of clusters, servers and receivers consist of letters, digits, `_`, `.` and `-`.

This page is made from the program by `python -m repwatch.app.configuration_docs`.
"""

_EXAMPLE = """\
## Example

```toml
[store]
url = "sqlite:///repwatch.db"

[web]
listen = "127.0.0.1:8080"

[clusters.shop]
source = "db1"
poll_interval = "5s"
max_lag = "30s"

[clusters.shop.servers.db1]
url = "mysql://repwatch@10.0.0.1:3306"
password = { file = "/run/secrets/db1" }
tls = "required"

[clusters.shop.servers.db2]
url = "mysql://repwatch@10.0.0.2:3306"
password = { env = "DB2_PASSWORD" }
max_lag = "5m"
operator = { user = "repwatch_op", password = { env = "DB2_OPERATOR_PASSWORD" } }

[clusters.shop.replication]
user = "repl"
password = { env = "REPL_PASSWORD" }

[clusters.shop.drift]
schedule = "0 2 * * *"

[receivers.oncall]
slack = { channel = "#db-alerts", token = { env = "SLACK_TOKEN" } }
email = { to = ["dba@example.com"], from = "repwatch@example.com", smtp = "smtp://mail.example.com:587" }
```
"""


def page() -> str:
    """The whole page."""
    sections = [f"## `[{name}]`\n\n{text}" for name, text in _tables(Configuration, "")]
    return "\n".join((_INTRODUCTION, *sections, _EXAMPLE))


def _tables(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """Each table of the file with its text, outer ones first."""
    for name, field in model.model_fields.items():
        key = f"{path}.{field.alias or name}".lstrip(".")
        inner, many = _inner(field.annotation)
        if inner is not None:
            where = f"{key}.NAME" if many else key
            keys = [_row(part, inner_field) for part, inner_field in inner.model_fields.items() if _is_key(inner_field)]
            rows = "\n".join(("| key | type | default | meaning |", "|---|---|---|---|", *keys)) + "\n" if keys else ""
            yield where, f"{(inner.__doc__ or '').strip()}\n\n{rows}"
            yield from _tables(inner, where)


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model of a table, and whether there are many of them, each by a name."""
    if isinstance(annotation, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    many = get_origin(annotation) is dict
    if many:
        annotation = get_args(annotation)[1]
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (annotation, many) if is_model else (None, many)


def _is_key(field: FieldInfo) -> bool:
    return _inner(field.annotation)[0] is None


def _row(name: str, field: FieldInfo) -> str:
    kinds = marks(field)
    kind = kinds[-1].text if kinds else ""  # the outermost says it best
    cells = (f"`{field.alias or name}`", kind, _default(field), field.description or "")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), {}):
        return "none"
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Enum():
            return f'"{value.value}"'
        case timedelta():
            return f'"{value.total_seconds():g}s"'
        case HostPort():
            return f'"{value.host}:{value.port}"'
        case _:
            return f'"{value}"'


if __name__ == "__main__":
    sys.stdout.write(page())

"""Making a large table without its secondary keys, which are cheaper to build over all rows than row by row.

The server prints each part of a table on a line of its own; lines are moved from one statement to another, never taken apart.
"""

import re
from typing import Final

from repwatch.sql.quoting import quote_name

_KEY: Final = re.compile(r"  (?:UNIQUE )?KEY `|  CONSTRAINT `(?:[^`]|``)*` FOREIGN KEY ")
_PRIMARY: Final = re.compile(r"  PRIMARY KEY \(`((?:[^`]|``)*)`")
_COUNTED: Final = re.compile(r"  `((?:[^`]|``)*)` .* AUTO_INCREMENT(?: |,|$)")
# One FULLTEXT index at a time can be added (MySQL error 1795); keys over periods need what the other lines say.
_NOT_LATE: Final = re.compile(r"  (?:FULLTEXT|SPATIAL|VECTOR) KEY `|  PERIOD FOR ")


def without_keys(statement: str, schema: str, name: str) -> tuple[str, str]:
    """A CREATE TABLE without secondary and foreign keys, and the ALTER TABLE that adds them ("" where there is none).

    The whole statement where the keys cannot be told apart for sure, or are needed from the beginning: where the first unique
    key would become the primary one, or the AUTO_INCREMENT column is in no other.
    """
    first, *body = statement.split("\n")
    end = next((number for number, line in enumerate(body) if line.startswith(") ENGINE=")), None)
    if end is None:
        return statement, ""
    lines, rest = [line.removesuffix(",") for line in body[:end]], body[end:]
    late = [line for line in lines if _KEY.match(line)]
    primary = next((found[1] for line in lines if (found := _PRIMARY.match(line))), None)
    counted = next((found[1] for line in lines if (found := _COUNTED.match(line))), primary)
    if not late or primary is None or counted != primary or any(map(_NOT_LATE.match, lines)):
        return statement, ""
    kept = ",\n".join(line for line in lines if not _KEY.match(line))
    added = ",\n".join(f"  ADD{line[1:]}" for line in late)
    return "\n".join([first, kept, *rest]), f"ALTER TABLE {quote_name(schema)}.{quote_name(name)}\n{added}"

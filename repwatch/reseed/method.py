"""The ways in which a replica is made right."""

from enum import StrEnum


class Method(StrEnum):
    """What `--method` names, and what the plan says."""

    DIFFERENTIAL = "differential"  # everything is compared, and only what differs is written
    LOGICAL = "logical"  # all data is dropped and copied
    CLONE = "clone"  # MySQL: the server replaces all its files by those of another
    PHYSICAL = "physical"  # MariaDB: the files are copied, by way of the machines' shells
    TABLE = "table"  # as differential, but of the named tables alone (`--table`)


class Why(StrEnum):
    """Why this method."""

    ASKED = "asked"
    TAKEN_UP = "taken-up"  # an interrupted reseed began with it
    MOSTLY_ALIKE = "mostly-alike"  # most of the source's data lies in tables that the replica has in the same form and size
    EMPTY = "empty"  # there is nothing to compare
    FAR_OFF = "far-off"  # most of it does not


def of_text(text: str) -> Method | None:
    """What `--method` asked for; None for `auto`."""
    return None if text == "auto" else Method(text)

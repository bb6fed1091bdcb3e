"""What a person tells a check that runs."""

from enum import StrEnum


class Word(StrEnum):
    """What a running check is told."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"

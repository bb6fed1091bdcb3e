"""The port to the record of one drift check, from which it goes on after an interruption."""

from typing import Protocol

from repwatch.drift.resume import PieceRecord


class CheckJournal(Protocol):
    """Never raises: a check whose journal cannot be written goes on, it only cannot be resumed."""

    def append(self, record: PieceRecord) -> None:
        """Keep one piece; it outlives the process when this returns, a power cut only after some seconds."""
        ...

    def of_table(self, table: str) -> list[PieceRecord]:
        """What an earlier run had kept of a table, in the order in which it was judged."""
        ...


class NoJournal:
    """Keeps nothing."""

    def append(self, record: PieceRecord) -> None:
        """Forget it."""

    def of_table(self, table: str) -> list[PieceRecord]:
        """Nothing."""
        return []

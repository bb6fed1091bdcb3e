"""Tells the story as it goes: with colour and spinners on a terminal, as plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel


class Narrator:
    """Writes to stdout. `console.is_terminal` decides how."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def act(self, title: str, text: str) -> None:
        """A new chapter."""
        if self.console.is_terminal:
            self.console.print()
            self.console.print(Panel(text, title=f"[bold]{title}", title_align="left", border_style="cyan"))
        else:
            self.console.print(f"\n== {title}\n   {text}", markup=False)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Something that takes a while."""
        if self.console.is_terminal:
            with self.console.status(text):
                yield
        else:
            self.console.print(f"   … {text}", markup=False)
            yield

    def fact(self, text: str) -> None:
        """Something that was checked and holds."""
        if self.console.is_terminal:
            self.console.print(f"  [green]✓[/] {_escape(text)}")
        else:
            self.console.print(f"   ok: {text}", markup=False)

    def quote(self, text: str) -> None:
        """What a command printed or a person received, cut to what fits a screen."""
        lines = text.strip().splitlines()
        for line in lines[:24]:
            self.console.print(f"      │ {line}", markup=False, style="dim" if self.console.is_terminal else None)
        if len(lines) > 24:
            self.console.print(f"      │ … {len(lines) - 24} more lines", markup=False)

    def failed(self, act: str, text: str) -> None:
        """The story broke off."""
        self.console.print(f"\nFAILED at {act}: {text}", markup=False, style="bold red" if self.console.is_terminal else None)


def _escape(text: str) -> str:
    return text.replace("[", "\\[")

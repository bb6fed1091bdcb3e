"""Small words that several texts share."""


def count(number: int, noun: str) -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {noun}{'s' * (number != 1)}"

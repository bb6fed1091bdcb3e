"""The shop under load: its rows, and somebody who keeps writing to it until told to stop."""

import random
import threading
import time
from collections.abc import Callable
from typing import Self

from repwatch.adapters.mysql.session import Session
from repwatch.errors import LoginRefused, OutcomeUnknown, RepwatchError, StatementRefused, Unreachable
from repwatch.sandbox.server import SandboxServer
from repwatch.sandbox.shop import SCHEMA, load_shop

__all__ = ["SCHEMA", "Writer", "load_shop"]

STOP_SECONDS = 60
RETRY_SECONDS = 0.2
# The oldest orders are closed: this many, or a tenth of all, are never written to.
CLOSED_ORDERS = 5000
# Lock wait and deadlock: the transaction was rolled back, and the next one takes its chance.
_LOSSES = {1205, 1213}
_STATUSES = ("open", "paid", "packed", "shipped", "returned")


class Writer:
    """A thread that inserts, updates and deletes in small transactions, `rate` a second at most; it outlives restarts."""

    def __init__(self, server: SandboxServer, rate: float = 50, schema: str = SCHEMA, seed: int = 1) -> None:
        self.transactions = 0  # committed so far
        self._server = server
        self._pause = 1 / rate
        self._schema = schema
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._first_open = 1
        self._error: RepwatchError | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> Self:
        """Begin; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> int:
        """Stop after the transaction of the moment; the number of committed ones. Raises what ended the writer early."""
        self._over.set()
        self._thread.join(STOP_SECONDS)
        if self._error is not None:
            raise self._error
        return self.transactions

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with self._server.connect() as session:
                    self._write(session)
            except (Unreachable, LoginRefused, OutcomeUnknown):  # the server is being broken, or comes back
                self._over.wait(RETRY_SECONDS)
            except RepwatchError as error:
                self._error = error
                return

    def _write(self, session: Session) -> None:
        session.execute(f"USE {self._schema}")
        customers, orders = (int(value or 1) for value in session.text_row(_SIZES))
        self._first_open = min(CLOSED_ORDERS, orders // 10) + 1
        actions: tuple[Callable[[Session, int, int], None], ...] = (
            self._place_order, self._place_order, self._move_order, self._move_order, self._rate, self._reprice, self._cancel,
        )  # fmt: skip
        due = time.monotonic()
        while not self._over.is_set():
            try:
                session.execute("BEGIN")
                self._random.choice(actions)(session, customers, orders)
                session.execute("COMMIT")
                self.transactions += 1
            except StatementRefused as error:
                if error.errno not in _LOSSES:
                    raise
                session.execute("ROLLBACK")
            due = max(due + self._pause, time.monotonic() - 1)
            self._over.wait(max(due - time.monotonic(), 0))

    def _place_order(self, session: Session, customers: int, orders: int) -> None:
        session.execute(
            "INSERT INTO orders (customer_id, status, total, placed, token) VALUES (%s, 'open', %s, NOW(6), %s)",
            (self._random.randint(1, customers), self._random.randint(1, 99999) / 100, self._random.randbytes(16)),
        )
        order = int(session.scalar("SELECT LAST_INSERT_ID()") or 0)
        for line in range(1, self._random.randint(2, 4)):
            article = f"article-{self._random.randint(0, 996)}"
            session.execute(
                "INSERT INTO order_lines (order_id, line, article, quantity, price) VALUES (%s, %s, %s, %s, %s)",
                (order, line, article, self._random.randint(1, 9), self._random.randint(1, 9999) / 100),
            )

    def _move_order(self, session: Session, customers: int, orders: int) -> None:
        status = self._random.choice(_STATUSES)
        session.execute("UPDATE orders SET status = %s WHERE id = %s", (status, self._random.randint(self._first_open, orders)))

    def _rate(self, session: Session, customers: int, orders: int) -> None:
        note = self._random.choice((None, "très bien ✓", "nie wieder", ""))
        values = (self._random.random() * 10, note, self._random.randint(1, customers))
        session.execute("UPDATE customers SET rating = %s, note = %s WHERE id = %s", values)

    def _reprice(self, session: Session, customers: int, orders: int) -> None:
        session.execute(
            "UPDATE order_lines SET price = price + 0.01 WHERE order_id = %s", (self._random.randint(self._first_open, orders),)
        )

    def _cancel(self, session: Session, customers: int, orders: int) -> None:
        session.execute("DELETE FROM orders WHERE id = %s", (self._random.randint(self._first_open, orders),))


_SIZES = "SELECT (SELECT MAX(id) FROM customers), (SELECT MAX(id) FROM orders)"

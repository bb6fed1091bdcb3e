"""A shop: a schema with some of what real ones have, and rows in it. `workload` keeps writing to it."""

from repwatch.adapters.mysql.session import Session
from repwatch.ports.database import Timeouts
from repwatch.sandbox.server import SandboxServer

SCHEMA = "shop"
# Out of a hundred rows: customers, orders, order lines.
_SHARES = (10, 30, 60)

TABLES = (
    """CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  email VARCHAR(120) NOT NULL,
  city VARCHAR(60) NULL,
  note TEXT NULL,
  preferences JSON NOT NULL,
  rating DOUBLE NULL,
  created DATETIME(6) NOT NULL,
  UNIQUE KEY by_email (email)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  status ENUM('open','paid','packed','shipped','returned') NOT NULL DEFAULT 'open',
  total DECIMAL(12,2) NOT NULL,
  placed DATETIME(6) NOT NULL,
  shipped DATE NULL,
  token BINARY(16) NOT NULL,
  KEY by_status (status, placed),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE order_lines (
  order_id BIGINT UNSIGNED NOT NULL,
  line SMALLINT UNSIGNED NOT NULL,
  article VARCHAR(40) NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  gift BIT(1) NOT NULL DEFAULT b'0',
  remark VARCHAR(200) NULL,
  PRIMARY KEY (order_id, line),
  CONSTRAINT lines_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4""",
)
# Each makes a row of the number n, and every value follows from it: two shops of one size are the same.
_ROWS = {
    "customers": """INSERT INTO customers (id, name, email, city, note, preferences, rating, created)
SELECT n, CONCAT('Käufer ', n, ' 🛒'), CONCAT('c', n, '@example.com'),
  ELT(n % 5, 'Genève', '東京', 'São Paulo', 'Łódź'), IF(n % 7 = 0, REPEAT('naïve café ', n % 13), NULL),
  CONCAT('{"newsletter": ', IF(n % 2, 'true', 'false'), ', "tags": ["t', n % 9, '"]}'), IF(n % 11 = 0, NULL, n / 7e0),
  TIMESTAMPADD(MICROSECOND, n * 1234567, '2024-01-01 00:00:00')""",
    "orders": """INSERT INTO orders (id, customer_id, status, total, placed, shipped, token)
SELECT n, 1 + n % <parents>, ELT(1 + n % 5, 'open', 'paid', 'packed', 'shipped', 'returned'), (n % 100000) / 100,
  TIMESTAMPADD(MICROSECOND, n * 7654321, '2024-06-01 00:00:00'),
  IF(n % 3 = 0, DATE('2024-07-01') + INTERVAL (n % 300) DAY, NULL), UNHEX(LEFT(SHA2(n, 256), 32))""",
    "order_lines": """INSERT INTO order_lines (order_id, line, article, quantity, price, gift, remark)
SELECT 1 + (n - 1) DIV 2, 1 + (n - 1) % 2, CONCAT('article-', n % 997), 1 + n % 9, (n % 9999) / 100, n % 2,
  IF(n % 10 = 0, CONCAT('Geschenk für Zoë ', n), NULL)""",
}
_DIGIT = "(SELECT 0 d UNION ALL SELECT " + " UNION ALL SELECT ".join("123456789") + ")"
# The numbers from <start> + 1 on, ten thousand at most: ten digits crossed, because recursion is limited to 1000 on MySQL.
_NUMBERS = f"""FROM (SELECT <start> + 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d n
  FROM {_DIGIT} a, {_DIGIT} b, {_DIGIT} c, {_DIGIT} e) numbers WHERE n <= <end>"""
_BATCH = 10_000


def load_shop(server: SandboxServer, rows: int = 200_000) -> None:
    """Create the schema on a source and load about `rows` rows into it, in transactions of at most ten thousand."""
    customers, orders, lines = (max(rows * share // 100, 1) for share in _SHARES)
    with server.connect(timeouts=Timeouts(connect=30, read=300)) as session:
        session.execute(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")
        session.execute(f"USE {SCHEMA}")
        for table in TABLES:
            session.execute(table)
        _fill(session, "customers", customers)
        _fill(session, "orders", orders, customers)
        _fill(session, "order_lines", min(lines, 2 * orders))


def _fill(session: Session, table: str, count: int, parents: int = 1) -> None:
    for start in range(0, count, _BATCH):
        text = f"{_ROWS[table]}\n{_NUMBERS}"
        for mark, value in (("<parents>", parents), ("<start>", start), ("<end>", min(start + _BATCH, count))):
            text = text.replace(mark, str(value))
        session.execute(text)

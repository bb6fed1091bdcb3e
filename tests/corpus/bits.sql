-- BIT is a number, not text.
-- source
CREATE TABLE t (id INT PRIMARY KEY, b BIT(64), c BIT(1), d BIT(9));
INSERT INTO t VALUES (1, 0xFFFFFFFFFFFFFFFF, b'0', b'000110001'), (2, 0, NULL, 255);
-- replica
UPDATE t SET b = 0xFFFFFFFFFFFFFFFE, c = b'1', d = b'100110001' WHERE id = 1;
UPDATE t SET c = b'0', d = 511 WHERE id = 2;
-- expect
-- changed 1: b c d
-- changed 2: c d

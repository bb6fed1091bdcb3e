-- Rows that are larger than max_allowed_packet while they are checked.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB, v INT);
INSERT INTO t SELECT i, REPEAT('a', 700000), REPEAT('b', 700000), 1 FROM numbers.n WHERE i <= 9;
-- replica
UPDATE t SET v = 2 WHERE id = 7;
UPDATE t SET a = CONCAT(LEFT(a, 699999), 'x') WHERE id = 8;
UPDATE t SET b = CONCAT('x', SUBSTRING(b, 2)) WHERE id = 9;
-- expect
-- changed 7: v
-- changed 8: a
-- changed 9: b

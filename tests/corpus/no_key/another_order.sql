-- The same rows in another order.
-- source
CREATE TABLE t (a INT, b VARCHAR(9));
INSERT INTO t SELECT i % 100, 'x' FROM numbers.n WHERE i <= 3000;
-- replica
DELETE FROM t;
INSERT INTO t SELECT i % 100, 'x' FROM numbers.n WHERE i <= 3000 ORDER BY i DESC;
-- expect
-- identical

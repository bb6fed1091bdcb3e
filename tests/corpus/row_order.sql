-- The same rows, written in another order.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE = MyISAM;
INSERT INTO t SELECT i, i FROM numbers.n WHERE i <= 2000;
-- replica
DELETE FROM t;
INSERT INTO t SELECT i, i FROM numbers.n WHERE i <= 2000 ORDER BY i DESC;
-- expect
-- identical

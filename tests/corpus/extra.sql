-- Rows before the first and behind the last key.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, i FROM numbers.n WHERE i BETWEEN 10 AND 20;
-- replica
INSERT INTO t VALUES (-5, NULL), (10005, 1);
-- expect
-- extra -5
-- extra 10005

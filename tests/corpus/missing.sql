-- Rows at both ends and in the middle are gone.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, i FROM numbers.n;
-- replica
DELETE FROM t WHERE id IN (1, 5000, 10000);
-- expect
-- missing 1
-- missing 5000
-- missing 10000

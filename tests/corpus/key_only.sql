-- A table that is nothing but its key.
-- source
CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b));
INSERT INTO t SELECT i % 50, i FROM numbers.n WHERE i <= 2000;
-- replica
DELETE FROM t WHERE a = 7 AND b = 57;
INSERT INTO t VALUES (7, 58);
-- expect
-- missing [7, 57]
-- extra [7, 58]

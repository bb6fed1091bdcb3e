-- A MEMORY table after a restart of the replica.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE = MEMORY;
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 100;
-- replica
DELETE FROM t;
-- expect
-- missing 1..100

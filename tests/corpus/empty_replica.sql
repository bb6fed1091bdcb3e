-- A lost LOAD, or a TRUNCATE on the replica.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v CHAR(20));
INSERT INTO t SELECT i, 'E' FROM numbers.n WHERE i <= 900;
-- replica
TRUNCATE TABLE t;
-- expect
-- missing 1..900

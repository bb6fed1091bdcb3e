-- A chunk with a single row on the source and hundreds on the replica.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v CHAR(1));
INSERT INTO t VALUES (1, 'N');
-- replica
INSERT INTO t SELECT i, 'E' FROM numbers.n WHERE i BETWEEN 2 AND 900;
-- expect
-- extra 2..900

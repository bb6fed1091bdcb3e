-- Many rows, and nothing on the source.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v CHAR(20));
-- replica
INSERT INTO t SELECT i, 'E' FROM numbers.n WHERE i <= 900;
-- expect
-- extra 1..900

-- One row, and nothing on the source.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
-- replica
INSERT INTO t VALUES (1, 1);
-- expect
-- extra 1

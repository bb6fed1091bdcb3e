-- The table is not there.
-- source
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- replica
DROP TABLE t;
-- expect
-- table-missing

-- A key of a wider type.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 3000;
-- replica
ALTER TABLE t MODIFY id BIGINT;
INSERT INTO t VALUES (5000000000, 1);
-- expect
-- extra 5000000000

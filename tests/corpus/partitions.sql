-- Partitions on the replica only: rows come in another order.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 4000;
-- replica
ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 4;
-- expect
-- identical

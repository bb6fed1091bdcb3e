-- An engine without snapshots on the replica.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 50;
-- replica
ALTER TABLE t ENGINE = MyISAM;
-- expect
-- identical

-- Downward on the replica only.
-- source
CREATE TABLE t (a INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 3000;
-- replica
ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a DESC);
-- expect
-- identical

-- Rows inside a gap of the source's keys.
-- source
CREATE TABLE t (id BIGINT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 2000;
INSERT INTO t SELECT i + 1000000000000, 1 FROM numbers.n WHERE i <= 2000;
-- replica
INSERT INTO t VALUES (5000, 1), (999999999999, 1);
-- expect
-- extra 5000
-- extra 999999999999

-- Equal moments; the servers stand in different time zones while they are checked.
-- source
CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMP(6) NULL, v INT);
INSERT INTO t SELECT i, FROM_UNIXTIME(1700000000 + i * 3600.5), i FROM numbers.n WHERE i <= 500;
-- replica
-- expect
-- identical

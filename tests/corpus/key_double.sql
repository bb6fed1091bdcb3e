-- Thirds.
-- source
CREATE TABLE t (f DOUBLE PRIMARY KEY, v INT);
INSERT INTO t SELECT i / 3e0, i FROM numbers.n WHERE i <= 2500;
-- replica
UPDATE t SET v = 0 WHERE v = 1000;
-- expect
-- changed "333.3333333333333": v

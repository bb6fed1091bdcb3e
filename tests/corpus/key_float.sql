-- FLOAT: a literal with its printed digits is not equal to it.
-- source
CREATE TABLE t (f FLOAT PRIMARY KEY, v INT);
INSERT INTO t SELECT i / 10, i FROM numbers.n WHERE i <= 2500;
-- replica
UPDATE t SET v = 0 WHERE v IN (5, 10);
DELETE FROM t WHERE v = 20;
-- expect
-- changed "0.5": v
-- changed "1": v
-- missing "2"

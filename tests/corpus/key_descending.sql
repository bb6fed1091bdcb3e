-- A key that runs downward.
-- source
CREATE TABLE t (a INT, b INT, v INT, PRIMARY KEY (a DESC, b));
INSERT INTO t SELECT i % 7, i, 1 FROM numbers.n WHERE i <= 5000;
-- replica
UPDATE t SET v = 2 WHERE b IN (1, 2500, 5000);
DELETE FROM t WHERE b = 7;
-- expect
-- changed [1, 1]: v
-- changed [1, 2500]: v
-- changed [2, 5000]: v
-- missing [0, 7]

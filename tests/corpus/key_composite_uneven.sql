-- One value of the leading column has nearly all rows; keys end in the middle of it.
-- source
CREATE TABLE t (a INT, b BIGINT, v INT, PRIMARY KEY (a, b));
INSERT INTO t SELECT 1, i, 1 FROM numbers.n WHERE i <= 9000;
INSERT INTO t VALUES (-1, 5, 1), (2, 1, 1);
-- replica
UPDATE t SET v = 2 WHERE b IN (1, 9000);
DELETE FROM t WHERE a = -1;
INSERT INTO t VALUES (1, 0, 1), (1, 9001, 1), (3, 0, 1);
-- expect
-- changed [1, 1]: v
-- changed [2, 1]: v
-- changed [1, 9000]: v
-- missing [-1, 5]
-- extra [1, 0]
-- extra [1, 9001]
-- extra [3, 0]

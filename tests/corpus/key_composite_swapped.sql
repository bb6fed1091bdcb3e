-- (1, 2) and (2, 1).
-- source
CREATE TABLE t (a INT, b INT, v INT, PRIMARY KEY (a, b));
INSERT INTO t VALUES (1, 2, 0), (1, 3, 0);
-- replica
UPDATE t SET a = 2, b = 1 WHERE b = 2;
-- expect
-- missing [1, 2]
-- extra [2, 1]

-- 1 and 23, 12 and 3.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c DECIMAL(6,1), d DECIMAL(6,1));
INSERT INTO t VALUES (1, 1, 23, 1.2, 3.4), (2, -1, 2, 0, 11);
-- replica
UPDATE t SET a = 12, b = 3, c = 1.3, d = 2.4 WHERE id = 1;
UPDATE t SET a = 1, b = -2, c = 1, d = 10 WHERE id = 2;
-- expect
-- changed 1..2: a b c d

-- The same value, one column further.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9), c INT, d INT);
INSERT INTO t VALUES (1, NULL, 'x', NULL, 5);
-- replica
UPDATE t SET a = 'x', b = NULL, c = 5, d = NULL;
-- expect
-- changed 1: a b c d

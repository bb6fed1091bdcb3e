-- The same, with something to find.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 2), (2, 1, 2);
-- replica
ALTER TABLE t MODIFY a INT AFTER b;
UPDATE t SET a = 2, b = 1 WHERE id = 2;
-- expect
-- changed 2: a b

-- The same, with something to find.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a INT(6) ZEROFILL, b VARCHAR(20), c SMALLINT);
INSERT INTO t VALUES (1, 42, 'x', 7), (2, 42, 'x', 7);
-- replica
ALTER TABLE t MODIFY a BIGINT, MODIFY b LONGTEXT, MODIFY c INT;
UPDATE t SET a = 43, b = 'x ', c = 70000 WHERE id = 2;
-- expect
-- changed 2: a b c

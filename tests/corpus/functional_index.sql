-- The hidden column of an index over an expression is not data.
-- flavours: mysql
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), INDEX lowered ((LOWER(v))));
INSERT INTO t VALUES (1, 'A'), (2, 'B');
-- replica
UPDATE t SET v = 'b' WHERE id = 2;
-- expect
-- changed 2: v

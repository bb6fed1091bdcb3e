-- The same columns in another order.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(9));
INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y');
-- replica
ALTER TABLE t MODIFY a INT AFTER b;
-- expect
-- identical

-- One element of a vector.
-- flavours: mysql
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(3));
INSERT INTO t VALUES (1, TO_VECTOR('[1, 2, 3]')), (2, TO_VECTOR('[1, 2, 3]')), (3, NULL);
-- replica
UPDATE t SET v = TO_VECTOR('[1, 2.0000002, 3]') WHERE id = 2;
-- expect
-- changed 2: v

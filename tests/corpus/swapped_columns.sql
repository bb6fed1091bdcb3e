-- Two columns of one row have exchanged their values.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9));
INSERT INTO t VALUES (1, 'x', 'y'), (2, 'x', 'y');
-- replica
UPDATE t SET a = 'y', b = 'x' WHERE id = 2;
-- expect
-- changed 2: a b

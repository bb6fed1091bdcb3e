-- Every value is there, one row further down.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v CHAR(8) NOT NULL);
INSERT INTO t SELECT i, LPAD(i, 8, '0') FROM numbers.n WHERE i <= 200;
-- replica
UPDATE t SET v = LPAD(id % 200 + 1, 8, '0');
-- expect
-- changed 1..200: v

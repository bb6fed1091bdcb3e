-- A hash index reads rows in no order.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i * 7919 % 5003, 1 FROM numbers.n WHERE i <= 5000;
-- replica
ALTER TABLE t ENGINE = MEMORY;
-- expect
-- identical

-- Rows that went with their partition.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (100), PARTITION b VALUES LESS THAN MAXVALUE);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 3000;
-- replica
ALTER TABLE t DROP PARTITION a;
-- expect
-- missing 1..99

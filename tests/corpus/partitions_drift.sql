-- Partitions on both sides, of different kinds.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (1000), PARTITION b VALUES LESS THAN MAXVALUE);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 3000;
-- replica
ALTER TABLE t PARTITION BY KEY (id) PARTITIONS 3;
UPDATE t SET v = 2 WHERE id IN (999, 1000);
-- expect
-- changed 999..1000: v

-- Aria on one side.
-- flavours: mariadb
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO t SELECT i, CONCAT('v', i) FROM numbers.n WHERE i <= 3000;
-- replica
ALTER TABLE t ENGINE = Aria;
-- expect
-- identical

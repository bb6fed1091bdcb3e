-- MariaDB's Aria.
-- flavours: mariadb
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE = Aria TRANSACTIONAL = 0;
INSERT INTO t SELECT i, CONCAT('v', i) FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 'X' WHERE id IN (1, 3000);
-- expect
-- changed 1: v
-- changed 3000: v

-- 1,000 columns, and the same in another order, with wider types.
-- source
SET SESSION group_concat_max_len = 100000;
SELECT CONCAT('CREATE TABLE t (id INT PRIMARY KEY, ', GROUP_CONCAT(CONCAT('c', i, ' ', IF(i % 2, 'SMALLINT', 'VARCHAR(2) CHARACTER SET latin1')) ORDER BY i), ')') INTO @create FROM numbers.n WHERE i <= 999;
PREPARE creation FROM @create;
EXECUTE creation;
INSERT INTO t (id, c1, c2, c500, c999) SELECT i, -i, 'é', 'ß ', i FROM numbers.n WHERE i <= 300;
-- replica
SET SESSION group_concat_max_len = 100000;
SELECT CONCAT('CREATE TABLE other (id INT PRIMARY KEY, ', GROUP_CONCAT(CONCAT('c', i, ' ', IF(i % 2, 'INT', 'VARCHAR(2) CHARACTER SET utf8mb4')) ORDER BY i DESC), ')') INTO @create FROM numbers.n WHERE i <= 999;
PREPARE creation FROM @create;
EXECUTE creation;
INSERT INTO other (id, c1, c2, c500, c999) SELECT id, c1, c2, c500, c999 FROM t;
DROP TABLE t;
RENAME TABLE other TO t;
-- expect
-- identical

-- 1,000 columns of several types; the first, the last and two that exchange their values.
-- source
SET SESSION group_concat_max_len = 100000;
SELECT CONCAT('CREATE TABLE t (id INT PRIMARY KEY, ', GROUP_CONCAT(CONCAT('c', i, ' ', ELT(1 + i % 4, 'INT', 'DECIMAL(5,2)', 'VARCHAR(3)', 'BIGINT')) ORDER BY i), ') ROW_FORMAT = DYNAMIC') INTO @create FROM numbers.n WHERE i <= 999;
PREPARE creation FROM @create;
EXECUTE creation;
INSERT INTO t (id, c1, c2, c400, c500, c999) SELECT i, i % 100, 'x', i, i + 1, i FROM numbers.n WHERE i <= 300;
-- replica
UPDATE t SET c1 = 0.01, c999 = NULL WHERE id = 77;
UPDATE t SET c400 = 124, c500 = 123 WHERE id = 123;
UPDATE t SET c998 = '' WHERE id = 300;
-- expect
-- changed 77: c1 c999
-- changed 123: c400 c500
-- changed 300: c998

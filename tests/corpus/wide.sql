-- 320 columns; the first, one in the middle and the last.
-- source
SET SESSION group_concat_max_len = 100000;
SELECT CONCAT('CREATE TABLE t (id INT PRIMARY KEY, ', GROUP_CONCAT(CONCAT('c', i, ' INT') ORDER BY i), ')') INTO @create FROM numbers.n WHERE i <= 320;
PREPARE creation FROM @create;
EXECUTE creation;
INSERT INTO t (id, c1, c160, c320) SELECT i, i, 1, NULL FROM numbers.n WHERE i <= 500;
-- replica
UPDATE t SET c1 = 0, c160 = NULL, c320 = 1 WHERE id = 77;
-- expect
-- changed 77: c1 c160 c320

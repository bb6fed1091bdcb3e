-- Ranges can still be cut by the number before it.
-- source
CREATE TABLE t (n INT, k VARCHAR(9) COLLATE utf8mb4_general_ci, v INT, PRIMARY KEY (n, k));
INSERT INTO t SELECT i DIV 3, ELT(i % 3 + 1, 'a', 'B', 'c'), 1 FROM numbers.n WHERE i <= 6000;
-- replica
ALTER TABLE t MODIFY k VARCHAR(9) COLLATE utf8mb4_bin NOT NULL;
UPDATE t SET v = 2 WHERE n = 77 AND k = 'B';
-- expect
-- changed [77, "B"]: v

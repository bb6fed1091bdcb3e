-- Half of all rows.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 0 FROM numbers.n WHERE i <= 20;
-- replica
UPDATE t SET v = 1 WHERE id IN (2, 4, 6, 8, 10, 12, 14, 16, 18, 20);
-- expect
-- changed 2: v
-- changed 4: v
-- changed 6: v
-- changed 8: v
-- changed 10: v
-- changed 12: v
-- changed 14: v
-- changed 16: v
-- changed 18: v
-- changed 20: v

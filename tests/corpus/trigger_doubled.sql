-- A trigger that ran on the replica once more.
-- source
CREATE TABLE t (id INT PRIMARY KEY, total DECIMAL(10,2));
INSERT INTO t SELECT i, i * 1.25 FROM numbers.n WHERE i <= 2000;
-- replica
UPDATE t SET total = total * 2 WHERE id IN (7, 77, 777, 1777);
-- expect
-- changed 7: total
-- changed 77: total
-- changed 777: total
-- changed 1777: total

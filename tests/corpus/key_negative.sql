-- Below and above zero.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i - 3001, 1 FROM numbers.n WHERE i <= 6000;
-- replica
UPDATE t SET v = 2 WHERE id IN (-2999, -1, 0);
-- expect
-- changed -2999: v
-- changed -1..0: v

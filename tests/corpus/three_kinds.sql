-- A missing, an extra and a changed row beside each other: their number does not change.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i * 2, i FROM numbers.n WHERE i <= 5000;
-- replica
DELETE FROM t WHERE id = 5000;
INSERT INTO t VALUES (5001, 2500);
UPDATE t SET v = -1 WHERE id = 5002;
-- expect
-- missing 5000
-- extra 5001
-- changed 5002: v

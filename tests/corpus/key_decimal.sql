-- Ten digits behind the point.
-- source
CREATE TABLE t (id DECIMAL(30,10) PRIMARY KEY, v INT);
INSERT INTO t SELECT i - 1500.0000000001, 1 FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 2 WHERE id = 6.9999999999;
DELETE FROM t WHERE id = -1499.0000000001;
-- expect
-- changed "6.9999999999": v
-- missing "-1499.0000000001"

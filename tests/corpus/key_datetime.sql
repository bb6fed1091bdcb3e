-- Thousandths of a second.
-- source
CREATE TABLE t (d DATETIME(3) PRIMARY KEY, v INT);
INSERT INTO t SELECT '2024-01-01 00:00:00' + INTERVAL i * 20000 MICROSECOND, 1 FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 2 WHERE d = '2024-01-01 00:00:30.500';
-- expect
-- changed "2024-01-01 00:00:30.500": v

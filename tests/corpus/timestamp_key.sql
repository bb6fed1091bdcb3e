-- Ranges over moments.
-- source
CREATE TABLE t (s TIMESTAMP NOT NULL PRIMARY KEY, v INT);
INSERT INTO t SELECT '2024-01-01 00:00:00' + INTERVAL i HOUR, 1 FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 2 WHERE s = '2024-02-01 05:00:00';
-- expect
-- changed "2024-02-01 05:00:00": v

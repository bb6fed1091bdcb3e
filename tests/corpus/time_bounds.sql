-- The first and the last day of each type.
-- source
CREATE TABLE t (id INT PRIMARY KEY, d DATE, t DATETIME(6), s TIMESTAMP NULL, y YEAR);
INSERT INTO t VALUES (1, '1000-01-01', '1000-01-01 00:00:00', '1970-01-01 00:00:01', 1901),
  (2, '9999-12-31', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', 2155);
-- replica
UPDATE t SET d = '1000-01-02', t = '1000-01-01 00:00:01', s = '1970-01-01 00:00:02', y = 1902 WHERE id = 1;
UPDATE t SET d = '9999-12-30', t = '9999-12-31 23:59:59.999998', s = '2038-01-19 03:14:06', y = 2154 WHERE id = 2;
-- expect
-- changed 1..2: d t s y

-- 31 February.
-- source
CREATE TABLE t (id INT PRIMARY KEY, d DATE, t DATETIME);
SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
INSERT INTO t VALUES (1, '2023-02-31', '2023-02-31 01:00:00'), (2, '2023-02-31', NULL);
-- replica
SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
UPDATE t SET d = '2023-02-30', t = '0000-00-00' WHERE id = 1;
-- expect
-- changed 1: d t

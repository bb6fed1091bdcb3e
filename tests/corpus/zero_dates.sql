-- Zero and half-zero dates, which some SQL modes turn into NULL.
-- source
CREATE TABLE t (id INT PRIMARY KEY, d DATE, t DATETIME, s TIMESTAMP NULL);
INSERT INTO t VALUES (1, '0000-00-00', '2023-00-00 00:00:00', 0), (2, NULL, NULL, NULL), (3, '2023-01-00', '0000-00-00', 0);
-- replica
UPDATE t SET d = NULL, s = NULL WHERE id = 1;
UPDATE t SET t = '0000-00-00' WHERE id = 2;
UPDATE t SET d = '2023-00-00' WHERE id = 3;
-- expect
-- changed 1: d s
-- changed 2: t
-- changed 3: d

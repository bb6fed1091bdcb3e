-- NULL is not zero.
-- source
CREATE TABLE t (id INT PRIMARY KEY, i INT, f FLOAT, d DOUBLE, n DECIMAL(9,2), b BIT(8), t TIME, y YEAR);
INSERT INTO t VALUES (1, 0, 0, 0, 0, 0, 0, 0), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- replica
UPDATE t SET i = NULL, f = NULL, d = NULL, n = NULL, b = NULL, t = NULL, y = NULL WHERE id = 1;
UPDATE t SET i = 0, f = 0, d = 0, n = 0, b = 0, t = 0, y = 0 WHERE id = 2;
-- expect
-- changed 1..2: i f d n b t y

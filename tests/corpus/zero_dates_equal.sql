-- The same ones are equal.
-- source
CREATE TABLE t (id INT PRIMARY KEY, d DATE, t DATETIME(3), s TIMESTAMP NULL, y YEAR);
INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00 00:00:00', 0, 0), (2, '2023-00-00', '2023-01-00 00:00:00', NULL, NULL);
-- replica
ALTER TABLE t ENGINE = MyISAM;
-- expect
-- identical

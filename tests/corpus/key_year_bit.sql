-- YEAR and BIT.
-- source
CREATE TABLE t (y YEAR, b BIT(12), v INT, PRIMARY KEY (y, b));
INSERT INTO t SELECT ELT(i % 3 + 1, 0, 1999, 2024) + 0, i DIV 3, 1 FROM numbers.n WHERE i < 3000;
-- replica
UPDATE t SET v = 2 WHERE y = 0 AND b = 7;
-- expect
-- changed ["0000", 7]: v

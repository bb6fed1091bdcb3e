-- A key of the first characters of a TEXT.
-- source
CREATE TABLE t (k TEXT, v INT, PRIMARY KEY (k(12)));
INSERT INTO t SELECT CONCAT(LPAD(i, 12, '0'), REPEAT('x', 30)), 1 FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 2 WHERE k LIKE '000000000077%';
-- expect
-- changed "000000000077xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": v

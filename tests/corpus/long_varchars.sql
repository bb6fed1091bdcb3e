-- Many long VARCHARs: a row's code of 160 kB.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(8000), b VARCHAR(8000));
INSERT INTO t SELECT i, REPEAT('😀', 7000), REPEAT('é', 7000) FROM numbers.n WHERE i <= 60;
-- replica
UPDATE t SET b = CONCAT(LEFT(b, 6999), 'e') WHERE id = 30;
-- expect
-- changed 30: b

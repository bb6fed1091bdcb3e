-- On both sides, with something to find.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE = MyISAM;
INSERT INTO t SELECT i, CONCAT('v', i) FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 'X' WHERE id BETWEEN 100 AND 199;
DELETE FROM t WHERE id = 3000;
-- expect
-- changed 100..199: v
-- missing 3000

-- Keys in latin1.
-- source
CREATE TABLE t (k VARCHAR(40) CHARACTER SET latin1 PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT('Straße ', i), 1 FROM numbers.n WHERE i <= 3000;
INSERT INTO t VALUES ('ÿ', 1), ('þ', 1);
-- replica
UPDATE t SET v = 2 WHERE k IN ('Straße 77', 'ÿ');
-- expect
-- changed "Straße 77": v
-- changed "ÿ": v

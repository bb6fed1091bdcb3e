-- On both sides, with something to find.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE = MEMORY;
INSERT INTO t SELECT i * 7919 % 5003, 1 FROM numbers.n WHERE i <= 2000;
-- replica
UPDATE t SET v = 2 WHERE id = 7919 % 5003;
DELETE FROM t WHERE id = 7919 * 2 % 5003;
-- expect
-- changed 2916: v
-- missing 829

-- The padding is no part of a key.
-- source
CREATE TABLE t (id INT(6) ZEROFILL PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 2000;
-- replica
UPDATE t SET v = 2 WHERE id = 42;
ALTER TABLE t MODIFY id INT UNSIGNED;
-- expect
-- changed 42: v

-- A column of the source is missing; the others are compared all the same.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- replica
ALTER TABLE t DROP COLUMN w;
UPDATE t SET v = 5 WHERE id = 2;
-- expect
-- schema column w
-- changed 2: v

-- An index on one side only.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
-- replica
ALTER TABLE t ADD INDEX (v);
-- expect
-- identical

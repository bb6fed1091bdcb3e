-- A column that the replica has for itself.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- replica
ALTER TABLE t ADD own INT DEFAULT 7;
-- expect
-- identical

-- A child whose parent is gone.
-- source
CREATE TABLE parent (id INT PRIMARY KEY);
CREATE TABLE t (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id));
INSERT INTO parent VALUES (1), (2);
INSERT INTO t VALUES (1, 1), (2, 2);
-- replica
DELETE FROM t WHERE id = 2;
-- expect
-- missing 2

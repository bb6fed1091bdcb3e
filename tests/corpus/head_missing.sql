-- A purge that ran on the replica only.
-- source
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, i FROM numbers.n WHERE i <= 3000;
-- replica
DELETE FROM t WHERE id <= 300;
-- expect
-- missing 1..300

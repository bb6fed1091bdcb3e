-- The newest rows never arrived.
-- source
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, i FROM numbers.n WHERE i <= 3000;
-- replica
DELETE FROM t WHERE id > 2700;
-- expect
-- missing 2701..3000

-- Rows that the source has not: written past it, or deleted there.
-- source
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, i FROM numbers.n WHERE i <= 3000;
-- replica
INSERT INTO t SELECT i, i FROM numbers.n WHERE i BETWEEN 3001 AND 3100;
-- expect
-- extra 3001..3100

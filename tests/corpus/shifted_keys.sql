-- Every key is one more.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i <= 100;
-- replica
UPDATE t SET id = id + 1 ORDER BY id DESC;
-- expect
-- missing 1
-- extra 101

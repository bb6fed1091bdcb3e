-- Members are ordered by number, not by name.
-- source
CREATE TABLE t (e ENUM('zebra', 'ape', 'cow'), n INT, v INT, PRIMARY KEY (e, n));
INSERT INTO t SELECT i % 3 + 1, i DIV 3, 1 FROM numbers.n WHERE i < 3000;
-- replica
UPDATE t SET v = 2 WHERE e = 'ape' AND n = 999;
DELETE FROM t WHERE e = 'cow' AND n = 1;
-- expect
-- changed ["ape", 999]: v
-- missing ["cow", 1]

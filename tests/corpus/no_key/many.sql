-- A thousand of each, one of them wrong.
-- source
CREATE TABLE t (a INT, b CHAR(20), KEY (a));
INSERT INTO t SELECT i % 10, 'x' FROM numbers.n;
-- replica
UPDATE t SET b = 'X' WHERE a = 7 LIMIT 1;
-- expect
-- row {"a": "7", "b": "x"}: 1000 999
-- row {"a": "7", "b": "X"}: 0 1

-- Columns that would run into one another.
-- source
CREATE TABLE t (a VARCHAR(9), b VARCHAR(9));
INSERT INTO t VALUES ('a,b', 'c'), ('a,b', 'c');
-- replica
UPDATE t SET a = 'a', b = 'b,c' LIMIT 1;
-- expect
-- row {"a": "a,b", "b": "c"}: 2 1
-- row {"a": "a", "b": "b,c"}: 0 1

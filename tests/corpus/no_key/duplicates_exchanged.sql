-- As many rows in all, and another number of each.
-- source
CREATE TABLE t (a INT);
INSERT INTO t VALUES (1), (1), (2);
-- replica
DELETE FROM t;
INSERT INTO t VALUES (1), (2), (2);
-- expect
-- row {"a": "1"}: 2 1
-- row {"a": "2"}: 1 2

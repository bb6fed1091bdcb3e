-- Nothing is left.
-- source
CREATE TABLE t (a INT);
INSERT INTO t VALUES (1), (1), (1);
-- replica
DELETE FROM t;
-- expect
-- row {"a": "1"}: 3 0

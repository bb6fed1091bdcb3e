-- Two equal rows against two others: every XOR is zero.
-- source
CREATE TABLE t (a INT, b CHAR(1));
INSERT INTO t VALUES (1, 'x'), (1, 'x');
-- replica
DELETE FROM t;
INSERT INTO t VALUES (5, 'q'), (5, 'q');
-- expect
-- row {"a": "1", "b": "x"}: 2 0
-- row {"a": "5", "b": "q"}: 0 2

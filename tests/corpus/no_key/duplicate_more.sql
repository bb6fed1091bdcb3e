-- One more of the same.
-- source
CREATE TABLE t (a INT, b VARCHAR(9));
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y');
-- replica
INSERT INTO t VALUES (1, 'x');
-- expect
-- row {"a": "1", "b": "x"}: 2 3

-- CHAR keeps no blanks at its end: these are equal.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v CHAR(9));
INSERT INTO t VALUES (1, 'a'), (2, '');
-- replica
UPDATE t SET v = CONCAT(v, '  ');
-- expect
-- identical

-- Members, the empty set, NULL.
-- source
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', 'b'), s SET('x', 'y'));
INSERT INTO t VALUES (1, 'a', 'x'), (2, NULL, '');
-- replica
UPDATE t SET e = 'b', s = 'x,y' WHERE id = 1;
UPDATE t SET s = NULL WHERE id = 2;
-- expect
-- changed 1: e s
-- changed 2: s

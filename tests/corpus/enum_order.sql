-- The same members in another order: equal text, other numbers.
-- source
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', 'b', 'c'), s SET('x', 'y'));
INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', '');
-- replica
ALTER TABLE t MODIFY e ENUM('c', 'b', 'a', 'd'), MODIFY s SET('x', 'y', 'z');
-- expect
-- identical

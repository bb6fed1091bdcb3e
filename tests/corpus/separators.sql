-- Columns and rows that would run into one another.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9));
INSERT INTO t VALUES (1, 'a,b', 'c'), (2, 'x;3,y', 'z'), (3, 'a#b', 'c'), (4, 'a|b', 'c'), (5, 'ab', 'c'), (6, '', 'abc');
-- replica
UPDATE t SET a = 'a', b = 'b,c' WHERE id = 1;
UPDATE t SET a = 'x', b = '3,y;z' WHERE id = 2;
UPDATE t SET a = 'a', b = 'b#c' WHERE id = 3;
UPDATE t SET a = 'a', b = 'b|c' WHERE id = 4;
UPDATE t SET a = 'a', b = 'bc' WHERE id = 5;
UPDATE t SET a = 'abc', b = '' WHERE id = 6;
-- expect
-- changed 1..6: a b

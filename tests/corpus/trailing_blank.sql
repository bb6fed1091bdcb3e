-- A blank at the end, which most comparisons ignore.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), x TEXT, b VARBINARY(9));
INSERT INTO t VALUES (1, 'a', 'a', 'a'), (2, '', '', ''), (3, 'a', 'a', 'a');
-- replica
UPDATE t SET v = 'a ', x = 'a ', b = 'a ' WHERE id = 1;
UPDATE t SET v = ' ', x = ' ', b = ' ' WHERE id = 2;
UPDATE t SET v = 'a\t', x = 'a\0', b = 'a\0' WHERE id = 3;
-- expect
-- changed 1..3: v x b

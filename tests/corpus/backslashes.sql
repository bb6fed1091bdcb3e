-- Quotes, backslashes, line ends and NUL inside values.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), b VARBINARY(20));
INSERT INTO t VALUES (1, '\\''', '\\'''), (2, 'a\nb', 'a\nb'), (3, 'a\0b', 'a\0b'), (4, '%s', '%s'), (5, 'a\r\nb', 'a\r\nb');
-- replica
UPDATE t SET v = '\\"', b = '\\"' WHERE id = 1;
UPDATE t SET v = 'a\rb', b = 'a\rb' WHERE id = 2;
UPDATE t SET v = 'a b', b = 'a b' WHERE id = 3;
UPDATE t SET v = '%%s', b = '%%s' WHERE id = 4;
UPDATE t SET v = 'a\nb', b = 'a\nb' WHERE id = 5;
-- expect
-- changed 1..5: v b

-- The sign of a TIME, and its ends.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a TIME, b TIME(3));
INSERT INTO t VALUES (1, '-838:59:59', '-00:00:00.001'), (2, '-00:00:01', '00:00:00');
-- replica
UPDATE t SET a = '838:59:59', b = '00:00:00.001' WHERE id = 1;
UPDATE t SET a = '00:00:01', b = '-00:00:00.001' WHERE id = 2;
-- expect
-- changed 1..2: a b

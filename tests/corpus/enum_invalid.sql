-- The invalid value 0 and a member that is the empty string look alike.
-- source
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('', 'b'));
INSERT INTO t VALUES (1, ''), (2, 'b');
-- replica
UPDATE t SET e = 'none' WHERE id = 1;
-- expect
-- changed 1: e

-- Other members, and one row that differs.
-- source
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', 'b', 'c'));
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');
-- replica
ALTER TABLE t MODIFY e ENUM('c', 'b', 'a');
UPDATE t SET e = 'a' WHERE id = 3;
-- expect
-- changed 3: e

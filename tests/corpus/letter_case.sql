-- Equal under the column's collation, and not the same.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), w VARCHAR(9) CHARACTER SET latin1, e ENUM('a', 'b'));
INSERT INTO t VALUES (1, 'abc', 'abc', 'a'), (2, 'é', 'é', 'b');
-- replica
UPDATE t SET v = 'ABC', w = 'ABC' WHERE id = 1;
UPDATE t SET v = 'É', w = 'e' WHERE id = 2;
-- expect
-- changed 1..2: v w

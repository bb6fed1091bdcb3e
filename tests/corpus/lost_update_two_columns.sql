-- Two of four rows with the same two wrong values.
-- source
CREATE TABLE t (id INT PRIMARY KEY, status CHAR(1) NOT NULL, amount INT NOT NULL);
INSERT INTO t VALUES (1, 'A', 10), (2, 'A', 10), (3, 'A', 10), (4, 'A', 10);
-- replica
UPDATE t SET status = 'B', amount = 99 WHERE id IN (2, 3);
-- expect
-- changed 2..3: status amount

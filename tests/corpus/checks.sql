-- A constraint that the replica's row does not meet.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT, CONSTRAINT positive CHECK (v > 0));
INSERT INTO t VALUES (1, 1), (2, 2);
-- replica
ALTER TABLE t DROP CONSTRAINT positive;
UPDATE t SET v = -2 WHERE id = 2;
-- expect
-- changed 2: v

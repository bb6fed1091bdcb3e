-- Two rows have exchanged their values.
-- source
CREATE TABLE t (id INT PRIMARY KEY, owner INT);
INSERT INTO t VALUES (1, 7), (2, 9);
-- replica
UPDATE t SET owner = 16 - owner;
-- expect
-- changed 1..2: owner

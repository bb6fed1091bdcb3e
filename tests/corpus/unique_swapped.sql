-- A second unique key whose values two rows have exchanged.
-- source
CREATE TABLE t (id INT PRIMARY KEY, u INT NOT NULL UNIQUE, v INT);
INSERT INTO t VALUES (1, 10, 0), (2, 20, 0), (3, 30, 0);
-- replica
UPDATE t SET u = 99 WHERE id = 1;
UPDATE t SET u = 10 WHERE id = 2;
UPDATE t SET u = 20 WHERE id = 1;
-- expect
-- changed 1..2: u

-- A column that SELECT * does not show.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT, hidden INT INVISIBLE);
INSERT INTO t (id, v, hidden) VALUES (1, 1, 1), (2, 2, 2);
-- replica
UPDATE t SET hidden = 5 WHERE id = 2;
-- expect
-- changed 2: hidden

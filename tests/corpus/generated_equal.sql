-- Stored on one side, virtual on the other: the same expression.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT, twice INT AS (v * 2) VIRTUAL);
INSERT INTO t (id, v) VALUES (1, 1), (2, 2);
-- replica
ALTER TABLE t DROP COLUMN twice, ADD COLUMN twice INT AS (v * 2) STORED;
-- expect
-- identical

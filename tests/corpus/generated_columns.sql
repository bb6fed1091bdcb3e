-- Stored ones are compared, virtual ones follow from the others.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT, twice INT AS (v * 2) STORED, next INT AS (v + 1) VIRTUAL);
INSERT INTO t (id, v) VALUES (1, 1), (2, 2);
-- replica
UPDATE t SET v = 5 WHERE id = 2;
-- expect
-- changed 2: v twice
-- between flavours
-- changed 2: v twice next

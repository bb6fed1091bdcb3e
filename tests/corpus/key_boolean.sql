-- Two keys are all there can be.
-- source
CREATE TABLE t (b BOOLEAN PRIMARY KEY, v INT);
INSERT INTO t VALUES (0, 1), (1, 1);
-- replica
UPDATE t SET v = 2 WHERE b;
-- expect
-- changed 1: v

-- Neighbours that print alike.
-- source
CREATE TABLE t (f FLOAT, n INT);
INSERT INTO t VALUES (16777216, 1), (16777216, 1);
-- replica
UPDATE t SET f = 16777218 LIMIT 1;
-- expect
-- row {"f": "16777216", "n": "1"}: 2 1
-- row {"f": "16777218", "n": "1"}: 0 1

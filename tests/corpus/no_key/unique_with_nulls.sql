-- A unique key that takes NULLs: no key.
-- source
CREATE TABLE t (u INT UNIQUE, v INT);
INSERT INTO t VALUES (1, 1), (NULL, 1), (NULL, 1), (2, 1);
-- replica
DELETE FROM t WHERE u IS NULL LIMIT 1;
UPDATE t SET v = 2 WHERE u = 2;
-- expect
-- row {"u": null, "v": "1"}: 2 1
-- row {"u": "2", "v": "1"}: 1 0
-- row {"u": "2", "v": "2"}: 0 1

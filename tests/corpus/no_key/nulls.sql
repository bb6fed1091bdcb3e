-- NULL, the empty string and zero, all by themselves.
-- source
CREATE TABLE t (a INT, b VARCHAR(9));
INSERT INTO t VALUES (NULL, NULL), (NULL, NULL), (0, '');
-- replica
DELETE FROM t WHERE a = 0;
INSERT INTO t VALUES (NULL, '');
-- expect
-- row {"a": "0", "b": ""}: 1 0
-- row {"a": null, "b": ""}: 0 1

-- Two keys that differ by case only, on one server.
-- source
CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('A', 1), ('b', 1), ('B', 1);
-- replica
UPDATE t SET v = 2 WHERE k = 'A';
DELETE FROM t WHERE k = 'b';
-- expect
-- changed "A": v
-- missing "b"

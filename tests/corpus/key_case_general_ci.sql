-- A key that differs by its letters' case only.
-- source
CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('abc', 1), ('b', 2);
-- replica
UPDATE t SET k = 'ABC' WHERE k = 'abc';
-- expect
-- missing "abc"
-- extra "ABC"

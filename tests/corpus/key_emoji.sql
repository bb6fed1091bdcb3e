-- Keys outside the basic plane; general_ci holds all of them for equal.
-- source
CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('😀', 1), ('a😀', 1), ('z', 1);
-- replica
UPDATE t SET k = '😁' WHERE k = '😀';
-- expect
-- missing "😀"
-- extra "😁"

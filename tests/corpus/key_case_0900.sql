-- MySQL's default, which does not pad.
-- flavours: mysql
-- source
CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('a ', 1), ('é', 1), ('straße', 1);
-- replica
UPDATE t SET k = 'A ' WHERE k = 'a ';
UPDATE t SET k = 'E' WHERE k = 'é';
UPDATE t SET v = 2 WHERE k = 'a';
-- expect
-- missing "a "
-- extra "A "
-- missing "é"
-- extra "E"
-- changed "a": v

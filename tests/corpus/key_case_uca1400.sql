-- MariaDB's newer collations.
-- flavours: mariadb
-- source
CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE uca1400_ai_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('é', 1), ('straße', 1);
-- replica
UPDATE t SET k = 'E' WHERE k = 'é';
UPDATE t SET v = 2 WHERE k = 'a';
-- expect
-- missing "é"
-- extra "E"
-- changed "a": v

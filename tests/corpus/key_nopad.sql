-- Blanks at the end make another key.
-- flavours: mariadb
-- source
CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_nopad_bin PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('a ', 1), ('a  ', 1);
-- replica
UPDATE t SET v = 2 WHERE k = 'a ';
DELETE FROM t WHERE k = 'a  ';
-- expect
-- changed "a ": v
-- missing "a  "

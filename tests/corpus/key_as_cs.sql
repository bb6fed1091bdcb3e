-- A collation that tells case and accents.
-- flavours: mysql
-- source
CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_0900_as_cs PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('A', 1), ('á', 1), ('Á', 1), ('b', 1);
-- replica
UPDATE t SET v = 2 WHERE k = 'Á';
-- expect
-- changed "Á": v

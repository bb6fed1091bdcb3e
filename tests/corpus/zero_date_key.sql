-- A zero date as a key.
-- source
CREATE TABLE t (d DATE PRIMARY KEY, v INT);
INSERT INTO t VALUES ('0000-00-00', 1), ('2023-00-00', 1), ('2023-01-01', 1);
-- replica
UPDATE t SET v = 2 WHERE d = '2023-00-00';
DELETE FROM t WHERE d = '0000-00-00';
-- expect
-- changed "2023-00-00": v
-- missing "0000-00-00"

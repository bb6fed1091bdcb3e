-- Zeros at the end of a key count, and FF and FE are bytes like others.
-- source
CREATE TABLE t (k VARBINARY(9) PRIMARY KEY, v INT);
INSERT INTO t VALUES ('', 1), (X'00', 1), (X'0000', 1), (X'61', 1), (X'FE', 1), (X'FF', 1), (X'FFFF', 1);
-- replica
UPDATE t SET k = X'6100' WHERE k = X'61';
UPDATE t SET v = 2 WHERE k IN (X'00', X'FF', '');
DELETE FROM t WHERE k = X'FE';
-- expect
-- missing "0x61"
-- extra "0x6100"
-- changed "0x00": v
-- changed "0xFF": v
-- changed "0x": v
-- missing "0xFE"

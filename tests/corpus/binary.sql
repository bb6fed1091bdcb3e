-- One byte among bytes that are no text.
-- source
CREATE TABLE t (id INT PRIMARY KEY, b VARBINARY(9), c BLOB, d BINARY(4));
INSERT INTO t VALUES (1, 0x00, 0xFF, 0x61), (2, 0x00FF, '', 0x6120);
-- replica
UPDATE t SET b = 0x0000, d = 0x6120 WHERE id = 1;
UPDATE t SET c = NULL, d = 0x61 WHERE id = 2;
-- expect
-- changed 1: b d
-- changed 2: c d

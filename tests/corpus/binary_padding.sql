-- BINARY pads with zeros: these are equal.
-- source
CREATE TABLE t (id INT PRIMARY KEY, b BINARY(4));
INSERT INTO t VALUES (1, 0x61), (2, '');
-- replica
UPDATE t SET b = 0x61000000 WHERE id = 1;
UPDATE t SET b = 0x00 WHERE id = 2;
-- expect
-- identical

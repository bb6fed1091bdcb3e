-- Bytes that are no text.
-- source
CREATE TABLE t (b VARBINARY(9), n INT);
INSERT INTO t VALUES (X'FF', 1), (X'FF', 1), (X'00', 1);
-- replica
UPDATE t SET b = X'FE' WHERE b = X'00';
-- expect
-- row {"b": {"hex": "00"}, "n": "1"}: 1 0
-- row {"b": {"hex": "FE"}, "n": "1"}: 0 1

-- Two rows whose values, put end to end, are those of two other rows.
-- source
CREATE TABLE t (id VARBINARY(9) PRIMARY KEY, v VARBINARY(20));
INSERT INTO t VALUES (X'31', X'61'), (X'32', X'62FF33FF63');
-- replica
DELETE FROM t;
INSERT INTO t VALUES (X'31', X'61FF32FF62'), (X'33', X'63');
-- expect
-- changed "0x31": v
-- missing "0x32"
-- extra "0x33"

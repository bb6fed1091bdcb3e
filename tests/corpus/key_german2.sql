-- A collation in which ä is ae.
-- source
CREATE TABLE t (k VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('ä', 1), ('ad', 1), ('af', 1), ('ß', 1);
-- replica
UPDATE t SET k = 'AE' WHERE k = 'ä';
UPDATE t SET k = 'SS' WHERE k = 'ß';
-- expect
-- missing "ä"
-- extra "AE"
-- missing "ß"
-- extra "SS"

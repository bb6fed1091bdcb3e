-- NULL is not what stands for it.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(9), c VARCHAR(9), d VARBINARY(9), e VARCHAR(9) CHARACTER SET latin1);
INSERT INTO t VALUES (1, NULL, 'N', 'NULL', X'FE', 'þ'), (2, NULL, '\\N', '<null>', X'00', '\0');
-- replica
UPDATE t SET b = NULL, c = NULL, d = NULL, e = NULL;
-- expect
-- changed 1..2: b c d e

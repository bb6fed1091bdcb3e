-- NULL is not the empty string.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9), c VARBINARY(9), d TEXT, e BLOB);
INSERT INTO t VALUES (1, NULL, '', NULL, '', NULL);
-- replica
UPDATE t SET a = '', b = NULL, c = '', d = NULL, e = '';
-- expect
-- changed 1: a b c d e

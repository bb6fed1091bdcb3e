-- A key that differs by a blank at its end only.
-- source
CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('abc', 1), ('', 1);
-- replica
UPDATE t SET k = 'abc ' WHERE k = 'abc';
UPDATE t SET k = ' ' WHERE k = '';
-- expect
-- missing "abc"
-- extra "abc "
-- missing ""
-- extra " "

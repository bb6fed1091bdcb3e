-- What would have to be escaped.
-- source
CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, v INT);
INSERT INTO t VALUES ('\'', 1), ('\\', 1), ('\\\'', 1), ('"', 1), ('%s', 1), ('a,b', 1), ('\0', 1), ('\n', 1), ('', 1), ('--', 1), ('/*', 1);
-- replica
UPDATE t SET v = 2;
-- expect
-- changed "'": v
-- changed "\\": v
-- changed "\\'": v
-- changed "\"": v
-- changed "%s": v
-- changed "a,b": v
-- changed "\u0000": v
-- changed "\n": v
-- changed "": v
-- changed "--": v
-- changed "/*": v

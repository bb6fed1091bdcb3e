-- UUIDs as text.
-- source
CREATE TABLE t (u CHAR(36) CHARACTER SET ascii PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT(LEFT(SHA2(i, 256), 8), '-7dec-11d0-a765-00a0c91e6bf6'), i FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 0 WHERE v = 1;
-- expect
-- changed "6b86b273-7dec-11d0-a765-00a0c91e6bf6": v

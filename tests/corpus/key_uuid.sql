-- MariaDB's UUID keeps its bytes in an order of its own.
-- flavours: mariadb
-- source
CREATE TABLE t (u UUID PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT(LPAD(HEX(i * 7919), 8, '0'), '-7dec-11d0-a765-00a0c91e6bf6'), i FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 0 WHERE v = 1;
DELETE FROM t WHERE v = 3000;
-- expect
-- changed "00001eef-7dec-11d0-a765-00a0c91e6bf6": v
-- missing "016a80c8-7dec-11d0-a765-00a0c91e6bf6"

-- MariaDB's own types.
-- flavours: mariadb
-- source
CREATE TABLE t (id INT PRIMARY KEY, u UUID, a INET6, b INET4);
INSERT INTO t VALUES (1, 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', '::ffff:10.0.0.1', '10.0.0.1'), (2, NULL, NULL, NULL);
-- replica
UPDATE t SET u = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf7', a = '::10.0.0.1', b = '10.0.0.2' WHERE id = 1;
UPDATE t SET a = '::' WHERE id = 2;
-- expect
-- changed 1: u a b
-- changed 2: a

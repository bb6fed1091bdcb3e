-- History rows are the server's own; the present ones are compared.
-- flavours: mariadb
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO t VALUES (1, 1), (2, 1);
UPDATE t SET v = 2 WHERE id = 1;
-- replica
UPDATE t SET v = 3 WHERE id = 2;
-- expect
-- changed 2: v

-- INET6 as a key.
-- flavours: mariadb
-- source
CREATE TABLE t (a INET6 PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT('2001:db8::', HEX(i)), i FROM numbers.n WHERE i <= 2000;
-- replica
UPDATE t SET v = 0 WHERE v = 255;
-- expect
-- changed "2001:db8::ff": v

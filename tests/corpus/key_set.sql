-- Sets as keys.
-- source
CREATE TABLE t (s SET('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j') PRIMARY KEY, v INT);
INSERT INTO t SELECT i, 1 FROM numbers.n WHERE i < 1024;
-- replica
UPDATE t SET v = 2 WHERE s = 'b,d';
DELETE FROM t WHERE s = 'a,b,c,d,e,f,g,h,i,j';
INSERT INTO t VALUES ('', 1);
-- expect
-- changed "b,d": v
-- missing "a,b,c,d,e,f,g,h,i,j"
-- extra ""

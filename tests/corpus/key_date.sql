-- Days, with a gap.
-- source
CREATE TABLE t (d DATE PRIMARY KEY, v INT);
INSERT INTO t SELECT '1999-12-31' + INTERVAL i * 3 DAY, 1 FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET v = 2 WHERE d = '2000-01-03';
INSERT INTO t VALUES ('2000-01-04', 1);
-- expect
-- changed "2000-01-03": v
-- extra "2000-01-04"

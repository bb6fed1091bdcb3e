-- Negative times as keys.
-- source
CREATE TABLE t (k TIME PRIMARY KEY, v INT);
INSERT INTO t SELECT SEC_TO_TIME((i - 1001) * 60), 1 FROM numbers.n WHERE i <= 2000;
-- replica
UPDATE t SET v = 2 WHERE k IN ('-00:01:00', '00:01:00', '-16:40:00');
-- expect
-- changed "-00:01:00": v
-- changed "00:01:00": v
-- changed "-16:40:00": v

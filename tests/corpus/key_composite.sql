-- Three columns of three types.
-- source
CREATE TABLE t (a INT, b VARCHAR(9), c DATE, v INT, PRIMARY KEY (a, b, c));
INSERT INTO t SELECT i % 12, CONCAT('k', i DIV 12 % 12), '2024-01-01' + INTERVAL i DIV 144 DAY, 1 FROM numbers.n WHERE i < 4032;
-- replica
UPDATE t SET v = 2 WHERE a = 5 AND b = 'k7' AND c = '2024-01-15';
DELETE FROM t WHERE a = 11 AND b = 'k9' AND c = '2024-01-28';
-- expect
-- changed [5, "k7", "2024-01-15"]: v
-- missing [11, "k9", "2024-01-28"]

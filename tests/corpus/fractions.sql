-- The last digit of every kind of time.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a DATETIME(6), b TIMESTAMP(3) NULL, c TIME(6), d DATETIME(1));
INSERT INTO t VALUES (1, '2024-01-01 00:00:00.1', '2024-01-01 00:00:00.001', '-12:00:00.5', '2024-01-01 00:00:00.1');
-- replica
UPDATE t SET a = '2024-01-01 00:00:00.100001', b = '2024-01-01 00:00:00.002', c = '-12:00:00.500001', d = '2024-01-01 00:00:00.2';
-- expect
-- changed 1: a b c d

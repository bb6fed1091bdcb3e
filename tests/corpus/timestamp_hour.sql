-- A whole hour: what a wrong time zone makes of it.
-- source
CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMP NULL, d DATETIME);
INSERT INTO t VALUES (1, '2024-03-31 01:30:00', '2024-03-31 01:30:00'), (2, '2024-10-27 00:30:00', '2024-10-27 02:30:00');
-- replica
UPDATE t SET s = s + INTERVAL 1 HOUR, d = d + INTERVAL 1 HOUR;
-- expect
-- changed 1..2: s d

-- A thousand rows of ten thousand.
-- source
CREATE TABLE t (id INT PRIMARY KEY, flag TINYINT NOT NULL, at DATETIME NOT NULL, note VARCHAR(20));
INSERT INTO t SELECT i, 0, '2024-01-01 00:00:00', CONCAT('note ', i) FROM numbers.n;
-- replica
UPDATE t SET flag = 1, at = '2024-06-06 06:06:06' WHERE id BETWEEN 2000 AND 2999;
-- expect
-- changed 2000..2999: flag at

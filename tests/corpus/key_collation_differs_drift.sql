-- The same, with many rows and something to find.
-- source
CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT(IF(i % 2, 'k', 'K'), SHA2(i, 256) % 7, '-', i), 1 FROM numbers.n WHERE i <= 1500;
INSERT INTO t VALUES ('Last', 1), ('first', 1);
-- replica
ALTER TABLE t MODIFY k VARCHAR(20) COLLATE utf8mb4_bin;
UPDATE t SET v = 2 WHERE k = 'Last';
UPDATE t SET k = 'FIRST' WHERE k = 'first';
-- expect
-- changed "Last": v
-- missing "first"
-- extra "FIRST"

-- The same under another collation, among many.
-- source
CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT('Ärger ', i), 1 FROM numbers.n WHERE i <= 3000;
-- replica
UPDATE t SET k = 'ÄRGER 77' WHERE k = 'Ärger 77';
UPDATE t SET k = 'arger 99' WHERE k = 'Ärger 99';
-- expect
-- missing "Ärger 77"
-- extra "ÄRGER 77"
-- missing "Ärger 99"
-- extra "arger 99"

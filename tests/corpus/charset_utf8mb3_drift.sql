-- The same, with something to find, also in the key.
-- source
CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb3 PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb3);
INSERT INTO t VALUES ('ä', 'ä'), ('b', 'ß');
-- replica
ALTER TABLE t MODIFY k VARCHAR(20) CHARACTER SET utf8mb4, MODIFY v VARCHAR(20) CHARACTER SET utf8mb4;
UPDATE t SET v = '😀' WHERE k = 'b';
-- expect
-- changed "b": v

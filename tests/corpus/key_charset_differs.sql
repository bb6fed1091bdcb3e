-- The same keys in another charset.
-- source
CREATE TABLE t (k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT('ä', i), 1 FROM numbers.n WHERE i <= 300;
-- replica
ALTER TABLE t MODIFY k VARCHAR(20) CHARACTER SET utf8mb4;
-- expect
-- identical

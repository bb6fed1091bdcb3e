-- The same text in another charset.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1, k VARCHAR(9), x TEXT CHARACTER SET latin1, e ENUM('ä', 'b') CHARACTER SET latin1);
INSERT INTO t VALUES (1, 'Straße €', 'k', 'ÿþ', 'ä'), (2, NULL, 'é', REPEAT('ä', 1000), NULL);
-- replica
ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET utf8mb4, MODIFY x TEXT CHARACTER SET utf8mb4, MODIFY e ENUM('ä', 'b') CHARACTER SET utf8mb4;
-- expect
-- identical
